import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type ChatClient,
  type ChatMessage,
  enterByLine,
  enterByWeb,
  join,
  rawClient,
  receive,
  type RunningChat,
  startChat,
} from "./chat_clients.ts";

const limit = { timeout: 30_000 };
/** Milliseconds that the chat under test waits for a head or a join. */
const PATIENCE = 400;

/** Bytes that look random and are the same in each run. */
function noise(count: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: count }, () => {
    state = Math.imul(state, 1103515245) + 12345 | 0;
    return state >>> 16;
  });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function masked(opcode: number, payload: Uint8Array): Uint8Array {
  const length = payload.length < 126
    ? [0x80 | payload.length]
    : [0xfe, payload.length >> 8, payload.length & 255];
  return Uint8Array.from([opcode, ...length, 0, 0, 0, 0, ...payload]);
}

/** A close frame's code at the end of what came. */
function closeCode(wire: Uint8Array): number {
  for (let at = wire.length - 4; at >= 0; at--) {
    if (wire[at] === 0x88 && wire[at + 1] === wire.length - at - 2) return wire[at + 2]! << 8 | wire[at + 3]!;
  }
  return 0;
}

let room: RunningChat;
let bystanders: ChatClient[];

async function startRoom(): Promise<void> {
  room = await startChat({ joinTimeout: PATIENCE, handshakeTimeout: PATIENCE });
  bystanders = [await enterByWeb(room), await enterByLine(room)];
  for (const client of bystanders) await join(client, "quiet", "bystander");
}

/** Nobody else notices: those who are in the room still talk, and hear nothing but each other. */
async function checkBystanders(): Promise<void> {
  const [a, b] = bystanders as [ChatClient, ChatClient];
  await a.send({ type: "say", text: "still here" });
  for (const client of [a, b]) {
    const heard = await receive(client, "said", "error", "left");
    assert.deepEqual([heard.type, heard.name, heard.text], ["said", "bystander", "still here"]);
  }
}

async function stopRoom(): Promise<void> {
  await Promise.all(bystanders.map((client) => client.close()));
  await room.stop();
}

describe("chat: garbage at the web door", () => {
  before(startRoom);
  after(stopRoom);

  const heads: [what: string, sent: Uint8Array, status: number][] = [
    ["random bytes", noise(4096), 400],
    ["NUL bytes", new Uint8Array(100), 400],
    ["no HTTP", bytes("HELO example\r\n\r\n"), 400],
    ["half a head for ever", bytes("GET / HTTP/1.1\r\nHost: localhost\r\nX-Half:"), 408],
    ["nothing for ever", new Uint8Array(0), 408],
    ["a head of 1 MiB", bytes(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(1 << 20)}\r\n\r\n`), 431],
    ["a path of 1 MiB", bytes(`GET /${"x".repeat(1 << 20)} HTTP/1.1\r\nHost: localhost\r\n\r\n`), 414],
    ["1,000 fields", bytes(`GET / HTTP/1.1\r\nHost: localhost\r\n${"X: y\r\n".repeat(1000)}\r\n`), 431],
    ["a space before a colon", bytes("GET / HTTP/1.1\r\nHost : x\r\n\r\n"), 400],
    [
      "a request with a body",
      bytes("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
      413,
    ],
    [
      "two lengths",
      bytes("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
      400,
    ],
    ["an unknown path", bytes("GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404],
    [
      "a WebSocket at an unknown path",
      bytes(
        "GET /nope HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      ),
      404,
    ],
    [
      "a WebSocket from another host's page",
      bytes(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://evil.example\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      ),
      403,
    ],
  ];
  for (const [what, sent, status] of heads) {
    it(`answers ${what} with ${status}`, limit, async () => {
      const { socket, all } = await rawClient(room.webAddress);
      socket.write(sent);
      assert.match(new TextDecoder().decode(await all), new RegExp(`^HTTP/1\\.1 ${status} `));
      await checkBystanders();
    });
  }

  const frames: [what: string, sent: Uint8Array, code: number][] = [
    ["an unmasked frame", Uint8Array.of(0x81, 0x02, 0x7b, 0x7d), 1002],
    ["random bytes", noise(4096), 1002],
    ["a reserved bit", Uint8Array.of(0xc1, 0x80, 0, 0, 0, 0), 1002],
    ["an oversized frame", Uint8Array.of(0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0), 1009],
    ["a length of 2^63", Uint8Array.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1002],
    ["text that is not UTF-8", masked(0x81, Uint8Array.of(0xc0, 0x80)), 1007],
    ["a long ping", masked(0x89, new Uint8Array(126)), 1002],
    ["nothing for ever", new Uint8Array(0), 1008],
    ["half a frame for ever", Uint8Array.of(0x81, 0xfe, 0x10), 1008],
  ];
  for (const [what, sent, code] of frames) {
    it(`closes the WebSocket that sends ${what} with ${code}`, limit, async () => {
      const { socket, all } = await rawClient(room.webAddress);
      socket.write(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      );
      socket.write(sent);
      // As a peer that follows the protocol would, it leaves when the server has ended.
      socket.on("end", () => socket.end());
      const wire = await all;
      assert.match(new TextDecoder().decode(wire), /^HTTP\/1\.1 101 /);
      assert.equal(closeCode(wire), code);
      await checkBystanders();
    });
  }
});

/** Texts that are refused with an `error` while the connection stays. */
const badTexts: [what: string, text: string][] = [
  ["no JSON", "hello"],
  ["half JSON", '{"type":"join"'],
  ["JSON with a NUL byte", '{"type":"say\u0000"}'],
  ["a NUL byte", "\u0000"],
  ["deep JSON", "[".repeat(8000)],
  ["deep JSON that ends", `${"[".repeat(5000)}${"]".repeat(5000)}`],
  ["a message with a prototype", '{"__proto__":{"type":"join"},"type":"polluted"}'],
];

describe("chat: bad messages", () => {
  before(startRoom);
  after(stopRoom);

  for (const [door, enter] of [["web", enterByWeb], ["line", enterByLine]] as const) {
    for (const [what, text] of badTexts) {
      it(`answers ${what} at the ${door} door with an error, and goes on`, limit, async () => {
        const client = await enter(room);
        await client.sendText(text);
        assert.equal((await receive(client, "error", "welcome")).type, "error");
        assert.equal((await join(client, what, "bad")).type, "welcome");
        assert.equal(({} as { type?: string }).type, undefined);
        await client.close();
        await checkBystanders();
      });
    }
  }

  it("answers a binary message with an error, and goes on", limit, async () => {
    const client = await enterByWeb(room);
    await client.conn.writeMessage(noise(100));
    assert.equal((await receive(client, "error")).type, "error");
    assert.equal((await join(client, "binary", "bad")).type, "welcome");
    await client.close();
  });
});

/** What came after the greeting, which may be lost with a connection that is reset. */
function messagesAfterHello(wire: Uint8Array): ChatMessage[] {
  const lines = new TextDecoder().decode(wire).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as ChatMessage).filter(({ type }) => type !== "hello");
}

describe("chat: garbage at the line door", () => {
  before(startRoom);
  after(stopRoom);

  const cases: [what: string, sent: Uint8Array][] = [
    ["random bytes", noise(4096)],
    ["half a line for ever", bytes('{"type":"join"')],
    ["nothing for ever", new Uint8Array(0)],
    ["a line of 1 MiB", bytes(`${"x".repeat(1 << 20)}\n`)],
    ["a line without end", bytes("[".repeat(1 << 20))],
    ["bytes that are not UTF-8", Uint8Array.of(0x22, 0xff, 0xfe, 0x22, 0x0a)],
  ];
  for (const [what, sent] of cases) {
    it(`answers ${what} with an error and sends away who never joins`, limit, async () => {
      const { socket, all } = await rawClient(room.lineAddress);
      socket.write(sent);
      for (const { type } of messagesAfterHello(await all)) assert.equal(type, "error");
      await checkBystanders();
    });
  }

  const join = '{"type":"join","room":"quiet","name":"boss"}\n{"type":"say","text":"from a form"}\n';
  const openers: [what: string, first: Uint8Array][] = [
    ["a form that a page posts", bytes("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\r\n")],
    ["a request with a space in its path", bytes("GET /a b HTTP/1.1\r\n\r\n")],
    [
      "a TLS handshake",
      Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x0a),
    ],
  ];
  for (const [what, first] of openers) {
    it(`obeys nothing that comes after ${what}`, limit, async () => {
      const { socket, all } = await rawClient(room.lineAddress);
      socket.write(first);
      socket.write(join);
      const started = room.chat.hub.room("quiet").size;
      assert.deepEqual(messagesAfterHello(await all).filter(({ type }) => type !== "error"), []);
      assert.equal(room.chat.hub.room("quiet").size, started);
      await checkBystanders();
    });
  }

  it("says what is wrong without places in the stream", limit, async () => {
    const client = await enterByLine(room);
    for (const text of ["hello", '{"type":"join"', "[".repeat(8000)]) {
      await client.sendText(text);
      assert.equal((await receive(client, "error")).message, "That is not JSON");
    }
    await client.close();
    const { socket, all } = await rawClient(room.lineAddress);
    socket.write(bytes("x".repeat(20_000)));
    assert.deepEqual(messagesAfterHello(await all), [
      { type: "error", message: "A message must have at most 16384 bytes" },
    ]);
  });
});
