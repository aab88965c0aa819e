/** Random wires over TCP: the server and the client survive, every connection ends, and nothing is left behind. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CloseError,
  type Conn,
  dialWebSocket,
  HandshakeError,
  listen,
  MessageTooBigError,
  NetError,
  ProtocolError,
  type WebSocketConn,
} from "../../mod.ts";
import { type HttpHeadError, RequestHeadReader } from "../../src/http/head.ts";
import { Random } from "../bytes/random.ts";
import { openSockets, socketsDownTo } from "../net/descriptors.ts";
import { holdProcess } from "../net/support.ts";
import { join, type Role, toHex } from "../protocol/wire.ts";
import { acceptHead, type Frame, FrameParser, handshake, OP, RawPeer } from "../websocket/raw_peer.ts";
import { bytesOf, dial, startServer, until } from "../websocket/support.ts";
import { limit, runCases } from "./cases.ts";
import { type Heard, readWire } from "./frame_model.ts";
import { randomWire } from "./frames.ts";
import { randomRequest, randomResponse } from "./heads.ts";

const READ_LIMIT = 1000;
const COUNT = 250;

/** Writes a wire in pieces, then ends this side; the other side may leave at any time. */
async function send(conn: Conn, wire: Uint8Array, random: Random): Promise<void> {
  try {
    for (const part of random.cut(wire, 1 + random.below(2000))) await conn.write(part);
    await conn.closeWrite();
  } catch (error) {
    assert.ok(error instanceof NetError, `not a NetError: ${error}`);
  }
}

/** All bytes until the other side's end, clean or not. */
async function receive(conn: Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  try {
    for (let part = await conn.readChunk(); part !== null; part = await conn.readChunk()) {
      parts.push(part.slice());
    }
  } catch (error) {
    assert.ok(error instanceof NetError, `not a NetError: ${error}`);
  }
  return join(parts);
}

/** Reads messages to the end; checks that the error is one of the allowed ones. */
async function readAll(conn: WebSocketConn): Promise<Heard[]> {
  const messages: Heard[] = [];
  try {
    for (;;) {
      const { type, data } = await conn.readMessage();
      messages.push(type === "text" ? ["text", data] : ["binary", toHex(data)]);
    }
  } catch (error) {
    const known = error instanceof CloseError || error instanceof ProtocolError ||
      error instanceof MessageTooBigError;
    assert.ok(known, `ended with ${error}`);
  }
  return messages;
}

/** The events of a receiver of this role. */
function heardIn(role: Role, wire: Uint8Array): readonly Heard[] {
  return readWire(wire, { masked: role === "server", readLimit: READ_LIMIT }).heard;
}

function messagesIn(role: Role, wire: Uint8Array): Heard[] {
  return heardIn(role, wire).filter(([kind]) => kind === "text" || kind === "binary");
}

function checkSent(role: Role, wire: Uint8Array, received: Uint8Array): void {
  const frames = new FrameParser();
  frames.push(received);
  const all = frames.all();
  assert.ok(all.every(({ masked, first }) => masked === (role === "client") && (first & 0x70) === 0));
  const close = all.findIndex(({ opcode }) => opcode === OP.close);
  assert.ok(close < 0 || close === all.length - 1, "something followed a close frame");
  const echoes = all.filter(({ opcode }) => opcode === OP.text || opcode === OP.binary).map(messageOf);
  // Answers end when the receiver fails the connection, and when the peer ends it.
  assert.deepEqual(echoes, messagesIn(role, wire).slice(0, echoes.length));
  const last = heardIn(role, wire).at(-1);
  if (last?.[0] !== "fault" && last?.[0] !== "close") return;
  // After a close frame nothing is read any more, so that a reset may destroy the answer; a fault is always reported.
  if (close < 0 && last[0] === "close") return;
  assert.ok(close >= 0, "the fault was not told");
  const { payload } = all[close]!;
  assert.equal(payload.length === 0 ? 1005 : payload[0]! << 8 | payload[1]!, last[1]);
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function messageOf({ opcode, payload }: Frame): Heard {
  return opcode === OP.text ? ["text", decoder.decode(payload)] : ["binary", toHex(payload)];
}

/** The server's expected response to a request, by the result of the head reader. */
function expectedAnswer(wire: Uint8Array): RegExp {
  try {
    const head = new RequestHeadReader().receive(wire.slice());
    return head === undefined ? /^$/ : /^HTTP\/1\.1 (101|4\d\d|501) [^]*\r\n\r\n/;
  } catch (error) {
    return new RegExp(`^HTTP/1\\.1 ${(error as HttpHeadError).status} [^]*\r\n\r\n`);
  }
}

/** Runs with a server, which must still accept and echo afterwards, and have reported no error. */
async function survivingServer(run: (address: string) => Promise<void>): Promise<void> {
  const before = openSockets();
  const errors: unknown[] = [];
  const { server, address, url, stop } = await startServer({
    readLimit: READ_LIMIT,
    onError: (error) => errors.push(error),
  });
  await run(address);
  const good = await dialWebSocket(url);
  await good.writeMessage("well");
  assert.equal((await good.readMessage()).data, "well");
  await good.close();
  await until(() => server.conns.size === 0);
  await stop();
  assert.deepEqual(errors, []);
  await socketsDownTo(before);
}

describe("random wires over TCP", () => {
  holdProcess();

  it(
    "of frames end a server's connection, and not the server",
    limit,
    () =>
      survivingServer((address) =>
        runCases(COUNT, (random) => ({
          wire: randomWire(random, "server"),
          check: async (wire) => {
            const peer = new RawPeer(await dial("tcp", address));
            await peer.send(handshake(address));
            assert.match(await peer.readHead(), /^HTTP\/1\.1 101 /);
            const [received] = await Promise.all([
              receive(peer.conn),
              send(peer.conn, wire, new Random(wire.length)),
            ]);
            peer.conn.closeNow();
            checkSent("server", wire, received);
          },
        }))
      ),
  );

  it(
    "of requests are answered, or the connection ends",
    limit,
    () =>
      survivingServer((address) =>
        runCases(COUNT, (random) => ({
          wire: randomRequest(random),
          check: async (wire) => {
            const conn = await dial("tcp", address);
            const [received] = await Promise.all([receive(conn), send(conn, wire, new Random(wire.length))]);
            conn.closeNow();
            assert.match(decoder.decode(received), expectedAnswer(wire));
          },
        }))
      ),
  );

  it("of frames end a client's connection", limit, async () => {
    const before = openSockets();
    const listener = await listen("tcp", "127.0.0.1:0");
    await runCases(COUNT, (random) => ({
      wire: randomWire(random, "client"),
      check: async (wire) => {
        const serving = listener.accept().then(async (conn) => {
          const peer = new RawPeer(conn);
          const head = bytesOf(acceptHead(await peer.readHead()));
          const whole = join([head, wire]);
          const [received] = await Promise.all([receive(conn), send(conn, whole, new Random(wire.length))]);
          conn.closeNow();
          checkSent("client", wire, received);
        });
        const ws = await dialWebSocket(`ws://${listener.addr}/`, {
          readLimit: READ_LIMIT,
          closeTimeout: 1000,
        });
        assert.deepEqual(await readAll(ws), messagesIn("client", wire));
        await Promise.all([ws.closed, serving]);
      },
    }));
    await listener.close();
    await socketsDownTo(before);
  });

  it("of responses are accepted by a client, or refused", limit, async () => {
    const before = openSockets();
    const listener = await listen("tcp", "127.0.0.1:0");
    await runCases(COUNT, (random) => ({
      wire: randomResponse(random),
      check: async (wire) => {
        const serving = listener.accept().then(async (conn) => {
          await Promise.all([receive(conn), send(conn, wire, new Random(wire.length))]);
          conn.closeNow();
        });
        const ws = await dialWebSocket(`ws://${listener.addr}/`).catch((error) => error);
        const known = ws instanceof HandshakeError || ws instanceof NetError;
        assert.ok(known, `neither refused nor broken: ${ws}`);
        await serving;
      },
    }));
    await listener.close();
    await socketsDownTo(before);
  });
});
