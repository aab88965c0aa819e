/** A program that runs in its own process (see `Program`), does one action, and prints the result line by line. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import {
  copy,
  dial,
  dialWebSocket,
  listen,
  listenAndServe,
  listenPacket,
  NetError,
  readFull,
  type TcpConn,
} from "../../mod.ts";
import { assertBytes, isDeadlineExceeded, pattern } from "./support.ts";

/** Short keep-alive times, milliseconds; a dead peer is noticed after their sum. */
const KEEPALIVE = { pingInterval: 400, pongTimeout: 400 };

const commands: Record<string, (...args: string[]) => Promise<void>> = {
  /** Dials with a timeout; prints the remote address, or the code of the error. */
  async dial(address, timeout) {
    const conn = await dial("tcp", address!, timeout === undefined ? {} : { timeout: Number(timeout) });
    say(String(conn.remoteAddr));
    await conn.close();
  },

  /** Dials and aborts. */
  async giveUp(address) {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 100);
    await assert.rejects(dial("tcp", address!, { signal: abort.signal }), { name: "AbortError" });
    say("gave up");
  },

  /** Dials while all descriptors that the system allows are in use. */
  async dialWithoutDescriptors(address) {
    const taken: number[] = [];
    try {
      while (true) taken.push(openSync("/dev/null", "r"));
    } catch {
      const dialling = await dial("tcp", address!).catch((error) => error);
      // Printing may need a descriptor.
      for (const descriptor of taken) closeSync(descriptor);
      throw dialling;
    }
  },

  /** Echoes all bytes until the process is killed. */
  async echo(address) {
    const listener = await listen("tcp", address!);
    say(String(listener.addr));
    for await (const conn of listener) copy(conn, conn).then(() => conn.close()).catch(() => conn.closeNow());
  },

  /** Prints received datagrams, those of the groups included, up to `end`; leaves the groups on `leave`. */
  async hear(address, groups, on, source) {
    const conn = await listenPacket(address!.startsWith("[") ? "udp6" : "udp4", address!, {
      reuseAddress: true,
    });
    const options = { interface: on!, ...source === undefined ? {} : { source } };
    const each = groups?.split(",") ?? [];
    for (const group of each) await conn.joinGroup(group, options);
    say(String(conn.localAddr));
    for await (const { data, addr } of conn) {
      const text = new TextDecoder().decode(data);
      say(`${text} from ${addr.hostname}`);
      if (text === "end") break;
      if (text !== "leave") continue;
      for (const group of each) await conn.leaveGroup(group, options);
      say("left");
    }
    await conn.close();
  },

  /** Sends datagrams to the given addresses, with these options. */
  async send(options, ...datagrams) {
    await using conn = await listenPacket(
      datagrams[0]!.startsWith("[") ? "udp6" : "udp4",
      ":0",
      JSON.parse(options!),
    );
    for (let i = 0; i < datagrams.length; i += 2) {
      await conn.writeTo(new TextEncoder().encode(datagrams[i + 1]!), datagrams[i]!);
    }
    say("sent");
  },

  /** Sends a number of bytes to `echo` and checks the bytes that come back. */
  async transfer(address, size) {
    const conn = await dial("tcp", address!);
    await Promise.all([
      conn.write(pattern(0, Number(size))).then(() => conn.closeWrite()),
      expectBytes(conn, 0, Number(size)),
    ]);
    assert.equal(await conn.readChunk(), null);
    await conn.close();
    say("whole");
  },

  /** Sends to `echo` as above; the cable is unplugged when half of the bytes have come back. */
  async transferInterrupted(address, size) {
    const [half, whole] = [Number(size) / 2, Number(size)];
    const conn = await dial("tcp", address!);
    const [sent] = [conn.write(pattern(0, half)), await expectBytes(conn, 0, half)];
    await sent;
    await told("half");
    const rest = conn.write(pattern(half, whole));
    conn.setReadDeadline(Date.now() + 300);
    await assert.rejects(conn.readChunk(), isDeadlineExceeded);
    conn.setReadDeadline(null);
    await told("expired");
    await Promise.all([rest, expectBytes(conn, half, whole)]);
    await conn.close();
    say("whole");
  },

  /** Dials, with keep-alive, and reads. */
  async waitDialled(address) {
    await readFromDead(await dial("tcp", address!, { keepAlive: 1000 }));
  },

  /** Listens, sets keep-alive and reads. */
  async waitAccepted(address) {
    const listener = await listen("tcp", address!);
    say(String(listener.addr));
    const conn = await listener.accept();
    conn.setKeepAlive(true, 1000);
    await readFromDead(conn);
    await listener.close();
  },

  /** Serves WebSockets with short keep-alive; prints how the first one closed. */
  async serveWebSocket(address) {
    const ended = Promise.withResolvers<void>();
    const server = await listenAndServe("tcp", address!, {
      keepalive: KEEPALIVE,
      websocket: (conn) => conn.closed.then((closed) => say(JSON.stringify(closed))).then(ended.resolve),
    });
    say(String(server.addr));
    await ended.promise;
    await server.shutdown();
  },

  /** Dials a WebSocket with short keep-alive; prints how it closed. */
  async dialWebSocket(address) {
    const conn = await dialWebSocket(`ws://${address}/`, { keepalive: KEEPALIVE });
    say("connected");
    const error = await conn.readMessage().catch((error) => error);
    say(error.name);
    say(JSON.stringify(await conn.closed));
  },
};

const [command, ...args] = process.argv.slice(2);
await commands[command!]!(...args).catch((error) => {
  if (!(error instanceof NetError)) throw error;
  say(`${error.code} ${error.timeout}`);
});

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Prints the current step, and waits to be continued. */
async function told(line: string): Promise<void> {
  say(line);
  await once(process.stdin, "data");
}

async function readFromDead(conn: TcpConn): Promise<void> {
  say("connected");
  const error = await conn.readChunk().then(() => "the end of the stream", (error) => error);
  say(error instanceof NetError ? `${error.code} ${error.timeout}` : String(error));
  conn.closeNow();
}

async function expectBytes(conn: TcpConn, from: number, to: number): Promise<void> {
  const piece = 65536;
  for (let at = from; at < to; at += piece) {
    const end = Math.min(to, at + piece);
    const bytes = new Uint8Array(end - at);
    await readFull(conn, bytes);
    assertBytes(bytes, pattern(at, end), at);
  }
}
