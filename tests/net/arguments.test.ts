/** Arguments of the wrong kind: each public call says at once which one it is, and what it was. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import * as jackfield from "../../mod.ts";
import {
  dialWebSocket,
  listenAndServe,
  pipe,
  type Server,
  type TcpAddr,
  type WebSocketConn,
} from "../../mod.ts";

const limit = { timeout: 30_000 };

/** Functions and classes without their types, as a program in JavaScript has them. */
const {
  copy,
  DecoderStream,
  dial,
  dialTls,
  EncoderStream,
  FixedLengthCodec,
  Framed,
  FramedPackets,
  Hub,
  listen,
  listenPacket,
  listenTls,
  mapCodec,
  readAll,
  readFull,
  resolveTcpAddr,
  resolveUdpAddr,
  serve,
  splitHostPort,
  Upgrader,
  upgradeTls,
} = jackfield as unknown as
  & Record<string, (...args: unknown[]) => unknown>
  & Record<string, new (...args: unknown[]) => unknown>;
const untyped = jackfield as unknown as Record<string, (...args: unknown[]) => unknown>;

const [conn] = pipe();
const address = "127.0.0.1:0";
const websocket = (): void => {};

type Case = [what: string, call: () => unknown, message: string];

const cases: Case[] = [
  ["dial, a port", () => dial!("tcp", 80), "Cannot dial: address is the number 80, not a string such as"],
  ["dial, no address", () => dial!("tcp"), "Cannot dial: address is undefined"],
  ["dial, options", () => dial!("tcp", address, 5), "Cannot dial: options is the number 5, not an object"],
  ["dial, a signal", () => dial!("tcp", address, { signal: {} }), "Cannot dial: signal is an object"],
  ["dial, swapped", () => dial!(address, "tcp"), `Cannot use network "${address}"`],
  ["dial, a UDP port", () => dial!("udp", 80), "Cannot dial: address is the number 80"],
  ["listen, a port", () => listen!("tcp", 80), "Cannot listen: address is the number 80"],
  ["listen, digits", () => listen!("tcp", "80"), 'the port is missing; write ":80"'],
  ["listen, no network", () => listen!(address), `Cannot use network "${address}"`],
  ["listenPacket", () => listenPacket!("udp", null), "Cannot listen: address is null"],
  ["dialTls", () => dialTls!("tcp", address, { tls: "x" }), 'Cannot dial: tls is the string "x"'],
  ["listenTls", () => listenTls!("tcp", address), "Cannot listen: options is undefined"],
  ["upgradeTls", () => upgradeTls!(), "Cannot upgrade to TLS: conn is undefined"],
  ["resolveTcpAddr", () => resolveTcpAddr!("tcp", 1), "Cannot look up: address is the number 1"],
  ["resolveUdpAddr", () => resolveUdpAddr!("udp", 1), "Cannot look up: address is the number 1"],
  ["splitHostPort", () => splitHostPort!(8080), "address is the number 8080"],
  ["conn.write", () => conn.write("text" as never), 'Cannot write: p is the string "text", not a Uint8Array'],
  ["conn.read", () => conn.read(16 as never), "Cannot read: p is the number 16"],
  ["readAll", () => readAll!(), "Cannot read all: reader is undefined"],
  ["readAll, its limit", () => readAll!(conn, { limit: "1" }), 'limit is the string "1"'],
  ["readFull", () => readFull!(conn, 4), "Cannot read: p is the number 4"],
  ["copy", () => copy!(conn), "Cannot copy: reader is undefined"],
  ["Framed", () => new Framed!(conn), "codec is undefined, not an object with decode() and encode()"],
  ["Framed, no conn", () => new Framed!(), "conn is undefined"],
  ["FramedPackets", () => new FramedPackets!({}, 1), "conn is an object"],
  ["DecoderStream", () => new DecoderStream!(), "decoder is undefined"],
  ["EncoderStream", () => new EncoderStream!({}), "encoder is an object, not an object with encode()"],
  ["mapCodec", () => mapCodec!(new FixedLengthCodec!(1)), "mapping is undefined"],
  [
    "a codec's item",
    () => (new FixedLengthCodec!(1) as { encode(item: unknown, dst: unknown): void }).encode("x", {}),
    'Cannot encode the item: it is the string "x"',
  ],
  ["listenAndServe, no options", () => untyped.listenAndServe!("tcp", address), "options is undefined"],
  ["listenAndServe, no network", () => untyped.listenAndServe!(address, { websocket }), "Cannot use network"],
  [
    "listenAndServe, no websocket",
    () => untyped.listenAndServe!("tcp", address, { onMessage() {} }),
    "Cannot serve: websocket is undefined, not a function",
  ],
  [
    "listenAndServe, a callback",
    () => untyped.listenAndServe!("tcp", address, { websocket, fetch: {} }),
    "Cannot serve: fetch is an object, not a function",
  ],
  ["serve, no listener", () => serve!(undefined, { websocket }), "Cannot serve: listener is undefined"],
  ["Upgrader", () => new Upgrader!({ checkOrigin: true }), "checkOrigin is the boolean true, not a function"],
  ["Hub", () => new Hub!({ onJoin: "x" }), 'Cannot make a Hub: onJoin is the string "x", not a function'],
  ["dialWebSocket, no URL", () => untyped.dialWebSocket!(), "Cannot connect: url is undefined"],
  ["dialWebSocket, options", () => untyped.dialWebSocket!("ws://a/", "x"), "options is the string"],
  [
    "dialWebSocket, netDial",
    () => untyped.dialWebSocket!("ws://a/", { netDial: 1 }),
    "netDial is the number 1, not a function",
  ],
];

describe("an argument of the wrong kind", () => {
  for (const [what, call, message] of cases) {
    it(`is named: ${what}`, limit, async () => {
      await assert.rejects(async () => void await call(), (error: Error) => {
        assert.equal(error.name, "TypeError", String(error));
        assert.ok(error.message.includes(message), error.message);
        return true;
      });
    });
  }

  it("leaves no listener behind", limit, async () => {
    const free = await listenAndServe("tcp", address, { websocket });
    const { port } = free.addr;
    await free.shutdown();
    const options = { websocket, readLimit: -1 };
    await assert.rejects(listenAndServe("tcp", `127.0.0.1:${port}`, options), /readLimit/);
    await (await listenAndServe("tcp", `127.0.0.1:${port}`, { websocket })).shutdown();
  });

  it("names a URL without a scheme", limit, async () => {
    await assert.rejects(dialWebSocket("127.0.0.1:80"), (error: Error) => {
      assert.equal(error.name, "SyntaxError");
      assert.match(error.message, /write the scheme and the host/);
      return true;
    });
  });
});

describe("a call on a WebSocket with an argument of the wrong kind", () => {
  let server: Server<TcpAddr>, ws: WebSocketConn;
  before(async () => {
    server = await listenAndServe("tcp", address, {
      websocket: async (conn) => {
        for await (const { data } of conn) await conn.writeMessage(data);
      },
    });
    ws = await dialWebSocket(`ws://${server.addr}/`);
  });
  after(() => server.shutdown());

  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const calls: Case[] = [
    [
      "an object",
      () => ws.writeMessage({ a: 1 } as never),
      "Cannot send: the data is an object, not a string",
    ],
    ["a number", () => ws.writeMessage(5 as never), "Cannot send: the data is the number 5"],
    ["no JSON", () => ws.writeJson(undefined), "Cannot send: the value has no JSON: it is undefined"],
    ["a cycle", () => ws.writeJson(cyclic), "Cannot send: the value has no JSON: "],
    ["a bigint", () => ws.writeJson(1n), "Cannot send: the value has no JSON: "],
    ["a reason for a code", () => ws.close("bye" as never), 'Cannot close: code is the string "bye"'],
  ];
  for (const [what, call, message] of calls) {
    it(`says what it was: ${what}`, limit, async () => {
      await assert.rejects(async () => void await call(), (error: Error) => {
        assert.ok(error instanceof TypeError && error.message.includes(message), String(error));
        return true;
      });
      assert.equal(ws.state, "open");
    });
  }

  it("says that a message was not JSON, and goes on", limit, async () => {
    await ws.writeMessage("not json");
    await assert.rejects(ws.readJson(), {
      name: "SyntaxError",
      message: /^Cannot parse the message as JSON: /,
    });
    await ws.writeMessage(Uint8Array.of(0xff));
    await assert.rejects(ws.readJson(), { name: "SyntaxError", message: /the bytes are not UTF-8/ });
    await ws.writeJson(1);
    assert.equal(await ws.readJson(), 1);
  });

  it("serves a listener once", limit, async () => {
    const listener = await jackfield.listen("tcp", address);
    const first = jackfield.serve(listener, { websocket });
    assert.throws(() => jackfield.serve(listener, { websocket }), /the listener has a server already/);
    await first.shutdown();
  });
});
