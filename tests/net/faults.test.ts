/** Exchanges through a fault proxy: each completes with every byte or fails as documented, and none hangs. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { concat } from "../../src/bytes/concat.ts";
import type { Conn, Reader, TcpConn } from "../../src/net/conn.ts";
import { dialOn, listenOn } from "../../src/net/dial.ts";
import { ClosedError, NetError, UnexpectedEofError } from "../../src/net/errors.ts";
import { readAll, readFull } from "../../src/net/io.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { CloseError } from "../../src/websocket/close_error.ts";
import { dialWebSocketOn } from "../../src/websocket/dial_web_socket.ts";
import { HandshakeError } from "../../src/websocket/handshake_error.ts";
import { Server } from "../../src/server/server.ts";
import type { WebSocketConn } from "../../src/websocket/web_socket_conn.ts";
import { openSockets, socketsDownTo } from "./descriptors.ts";
import { type Direction, type Fault, FaultProxy, type ProxyOptions } from "./fault_proxy.ts";
import { assertBytes, holdProcess, isBroken, isDeadlineExceeded, pattern } from "./support.ts";

const limit = { timeout: 60_000 };

/** One for this file, so that its alarms can be counted. */
const runtime = new Runtime(currentAdapter());

const MEGABYTE = 1 << 20;

/** Far away: whoever meets it hangs. */
const later = (): number => Date.now() + 30_000;

// ── The exchange ──

const REQUEST = framed(pattern(0, 92));
const RESPONSE = framed(pattern(1000, 1072));
const TOTALS: Record<Direction, number> = { toServer: REQUEST.length, toClient: RESPONSE.length };

function framed(body: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(0, 0, 0, body.length), body]);
}

async function receive(reader: Reader, expected: Uint8Array): Promise<void> {
  const head = new Uint8Array(4);
  await readFull(reader, head);
  const body = new Uint8Array(head[3]!);
  await readFull(reader, body);
  assertBytes(concat([head, body]), expected);
  assert.equal(await reader.read(new Uint8Array(1)), null);
}

const ask = (conn: Conn): Promise<void> => askReading(conn, conn);
const answer = (conn: Conn): Promise<void> => answerReading(conn, conn);

async function askReading(conn: Conn, reader: Reader): Promise<void> {
  await conn.write(REQUEST);
  await conn.closeWrite();
  await receive(reader, RESPONSE);
}

async function answerReading(conn: Conn, reader: Reader): Promise<void> {
  await receive(reader, REQUEST);
  await conn.write(RESPONSE);
  await conn.closeWrite();
}

type Side = (conn: TcpConn, proxy: FaultProxy) => Promise<void>;

/** How both sides of an exchange fared: `null` is well. */
interface Outcome {
  client: unknown;
  /** A `ClosedError` when the connection never came to it. */
  server: unknown;
  passed: Record<Direction, number>;
}

/** Runs both sides with a proxy between; ends when both have closed. */
async function exchange(options: ProxyOptions, client: Side = ask, server: Side = answer): Promise<Outcome> {
  const listener = await listenOn(runtime, "tcp", "127.0.0.1:0");
  const proxy = await FaultProxy.open(String(listener.addr), options);
  const run = async (opening: Promise<TcpConn>, side: Side) => {
    const conn = await opening;
    conn.setDeadline(later());
    try {
      await side(conn, proxy);
    } finally {
      await conn.close();
    }
  };
  const serving = outcomeOf(run(listener.accept(), server));
  const failed = await outcomeOf(run(dialOn(runtime, "tcp", proxy.address), client));
  if (neverAccepted(options.fault)) await listener.close();
  const outcome = { client: failed, server: await serving, passed: proxy.passed };
  await listener.close();
  await proxy.close();
  return outcome;
}

/** A connection that breaks before it is accepted need not be told to anybody. */
function neverAccepted(fault: Fault | undefined): boolean {
  return fault?.after === 0 && (fault.kind === "reset" || fault.kind === "close");
}

/** What it failed with, `null` when it did not. */
function outcomeOf(running: Promise<unknown>): Promise<unknown> {
  return running.then(() => null, (error) => error);
}

/** Declares a test that makes some exchanges, after which nothing must be left. */
function test(title: string, body: () => Promise<void>): void {
  it(title, limit, async () => {
    const before = openSockets();
    await body();
    assert.equal(runtime.timers.size, 0, "an alarm is left");
    await socketsDownTo(before);
  });
}

async function atEachOffset(total: number, body: (after: number) => Promise<void>): Promise<void> {
  for (let after = 0; after <= total; after++) {
    await body(after).catch((error) => {
      throw new Error(`after ${after} bytes: ${error.message}`, { cause: error });
    });
  }
}

/** Each side that had all it waits for completes; any other fails with what `isExpected` takes. */
function checkOutcome(
  { client, server, passed }: Outcome,
  fault: Fault,
  isExpected: (error: unknown) => void,
): void {
  const counted = fault.counting === "both" ? passed.toServer + passed.toClient : passed[fault.counting];
  assert.equal(counted, fault.after, "the proxy cut somewhere else");
  for (const [error, direction] of [[server, "toServer"], [client, "toClient"]] as const) {
    if (neverAccepted(fault) && error instanceof ClosedError) continue;
    if (error !== null) isExpected(error);
    else assert.equal(passed[direction], TOTALS[direction], `completed ${direction} with a part`);
  }
}

function isEnd(error: unknown): void {
  assert.ok(error instanceof UnexpectedEofError, `not an UnexpectedEofError: ${error}`);
}

function isEndOrBroken(error: unknown): void {
  if (!(error instanceof UnexpectedEofError)) isBroken(error);
}

// ── Manners ──

describe("faults: slow and small", () => {
  holdProcess();

  const manners: [string, ProxyOptions][] = [
    ["no fault", {}],
    ["1-byte chunks", { toServer: { bytewise: true }, toClient: { bytewise: true } }],
    ["a delay per chunk", { toServer: { delay: 5 }, toClient: { delay: 5 } }],
    ["1-byte chunks with a delay", {
      toServer: { bytewise: true, delay: 1 },
      toClient: { bytewise: true, delay: 1 },
    }],
  ];
  for (const [title, options] of manners) {
    test(title, async () => {
      const { client, server, passed } = await exchange(options);
      assert.deepEqual([client, server], [null, null]);
      assert.deepEqual(passed, TOTALS);
    });
  }
});

// ── Cuts ──

describe("faults: a cut at every byte", () => {
  holdProcess();

  const cuts: [string, Fault["kind"], (error: unknown) => void][] = [
    ["RST", "reset", isBroken],
    ["FIN", "end", isEnd],
    ["close", "close", isEndOrBroken],
  ];
  for (const [title, kind, isExpected] of cuts) {
    test(`${title} in a request and its response`, async () => {
      await atEachOffset(REQUEST.length + RESPONSE.length, async (after) => {
        const fault = { kind, after, counting: "both" } as const;
        checkOutcome(await exchange({ fault }), fault, isExpected);
      });
    });

    for (const counting of ["toServer", "toClient"] as const) {
      // Counting one direction, an end is a half-close: see below.
      if (kind === "end") continue;
      test(`${title}, ${counting} alone, while both write and read at once`, async () => {
        await atEachOffset(TOTALS[counting], async (after) => {
          const fault = { kind, after, counting };
          const both = (mine: Uint8Array, others: Uint8Array): Side => async (conn) => {
            const writing = conn.write(mine).then(() => conn.closeWrite());
            const [written, read] = await Promise.allSettled([writing, receive(conn, others)]);
            if (read.status === "rejected") throw read.reason;
            if (written.status === "rejected") throw written.reason;
          };
          const outcome = await exchange({ fault }, both(REQUEST, RESPONSE), both(RESPONSE, REQUEST));
          checkOutcome(outcome, fault, isExpected);
        });
      });
    }
  }
});

describe("faults: what came before a cut is read", () => {
  holdProcess();

  for (const [title, kind] of [["RST", "reset"], ["FIN", "end"]] as const) {
    test(title, async () => {
      await atEachOffset(REQUEST.length, async (after) => {
        const parts: Uint8Array[] = [];
        const client: Side = async (conn) => {
          await conn.write(REQUEST);
          await conn.readChunk();
        };
        const server: Side = async (conn) => {
          for (let part = await conn.readChunk(); part !== null; part = await conn.readChunk()) {
            parts.push(part);
          }
        };
        const outcome = await exchange({ fault: { kind, after, counting: "toServer" } }, client, server);
        if (kind === "reset") isBrokenOrNever(after, outcome.server);
        else assert.equal(outcome.server, null);
        assertBytes(concat(parts), REQUEST.subarray(0, after));
      });
    });
  }
});

describe("faults: RST while nobody reads", () => {
  holdProcess();

  for (const after of [1, 1_000, 65_535, 65_536, 65_537, MEGABYTE]) {
    test(`after ${after} bytes: some of them are read, then comes the error`, async () => {
      const much = pattern(0, 2 * MEGABYTE);
      const reset = Promise.withResolvers<void>();
      const parts: Uint8Array[] = [];
      const client: Side = async (conn) => {
        try {
          await conn.write(much);
          await conn.readChunk();
        } finally {
          reset.resolve();
        }
      };
      const server: Side = async (conn) => {
        await reset.promise;
        for (let part = await conn.readChunk(); part !== null; part = await conn.readChunk()) {
          parts.push(part);
        }
      };
      const outcome = await exchange(
        { fault: { kind: "reset", after, counting: "toServer" } },
        client,
        server,
      );
      isBroken(outcome.client);
      isBroken(outcome.server);
      // What the system had not yet sent is lost, and only the end of it.
      const received = concat(parts);
      assert.ok(
        received.length <= after && received.length >= Math.min(after, 32_768),
        `${received.length} bytes`,
      );
      assertBytes(received, much.subarray(0, received.length));
    });
  }
});

function isBrokenOrNever(after: number, error: unknown): void {
  if (after > 0 || !(error instanceof ClosedError)) isBroken(error);
}

describe("faults: half-close at every byte", () => {
  holdProcess();

  test("the server answers what it got", async () => {
    await atEachOffset(REQUEST.length, async (after) => {
      const fault = { kind: "end", after, counting: "toServer" } as const;
      let echoed: Uint8Array | null = null;
      const client: Side = async (conn) => {
        await conn.write(REQUEST);
        await conn.closeWrite();
        echoed = await readAll(conn);
      };
      const server: Side = async (conn) => {
        await conn.write(await readAll(conn));
        await conn.closeWrite();
      };
      const outcome = await exchange({ fault }, client, server);
      assert.deepEqual([outcome.client, outcome.server], [null, null]);
      assertBytes(echoed!, REQUEST.subarray(0, after));
    });
  });

  test("the client goes on after the end of its input", async () => {
    await atEachOffset(RESPONSE.length, async (after) => {
      const fault = { kind: "end", after, counting: "toClient" } as const;
      const client: Side = async (conn) => {
        assertBytes(await readAll(conn), RESPONSE.subarray(0, after));
        await conn.write(REQUEST);
        await conn.closeWrite();
      };
      const server: Side = async (conn) => {
        await conn.write(RESPONSE);
        await receive(conn, REQUEST);
      };
      const outcome = await exchange({ fault }, client, server);
      assert.deepEqual([outcome.client, outcome.server], [null, null]);
    });
  });
});

// ── Stalls ──

/** Reads through expired deadlines: nothing must be lost by one. */
function patient(conn: Conn, onExpired: () => void | Promise<void>): Reader {
  return {
    async read(p) {
      try {
        return await conn.read(p);
      } catch (error) {
        isDeadlineExceeded(error);
        await assert.rejects(conn.read(p), isDeadlineExceeded);
        await onExpired();
        conn.setReadDeadline(later());
        return await conn.read(p);
      }
    },
  };
}

describe("faults: a stall at every byte", () => {
  holdProcess();

  for (const counting of ["toServer", "toClient", "both"] as const) {
    test(`${counting}: the deadline passes, and then the connection goes on`, async () => {
      const total = counting === "both" ? REQUEST.length + RESPONSE.length : TOTALS[counting];
      /** Of the request something is missing, or its end. */
      const serverWaits = (after: number) =>
        counting === "toServer" || (counting === "both" && after < REQUEST.length);
      const stalled = async (after: number) => {
        const hungry = Promise.withResolvers<void>();
        let expired = false;
        const client: Side = async (conn, proxy) => {
          conn.setReadDeadline(Date.now() + 40);
          await askReading(
            conn,
            patient(conn, async () => {
              expired = true;
              if (serverWaits(after)) await hungry.promise;
              proxy.release();
            }),
          );
        };
        const server: Side = async (conn) => {
          conn.setReadDeadline(Date.now() + 40);
          await answerReading(conn, patient(conn, hungry.resolve));
        };
        const fault = { kind: "stall", after, counting } as const;
        const outcome = await exchange({ fault }, client, server);
        assert.deepEqual([outcome.client, outcome.server], [null, null]);
        assert.deepEqual(outcome.passed, TOTALS);
        assert.ok(expired, "no deadline passed");
      };
      for (let after = 0; after <= total; after += 50) {
        const offsets = Array.from({ length: Math.min(50, total + 1 - after) }, (_, i) => after + i);
        await Promise.all(offsets.map(stalled));
      }
    });
  }

  test("for ever: the deadline passes, and closing takes no peer", async () => {
    const fault = { kind: "stall", after: 7, counting: "both" } as const;
    const side = (run: (conn: Conn) => Promise<void>): Side => async (conn) => {
      conn.setReadDeadline(Date.now() + 20);
      await run(conn);
    };
    const { client, server } = await exchange({ fault }, side(ask), side(answer));
    isDeadlineExceeded(client);
    isDeadlineExceeded(server);
  });

  const much = pattern(0, 16 * MEGABYTE);
  const stallLarge = { fault: { kind: "stall", after: MEGABYTE + 1, counting: "toServer" } } as const;

  test("under a large write: it waits and arrives whole", async () => {
    const client: Side = async (conn, proxy) => {
      const writing = conn.write(much);
      conn.setReadDeadline(Date.now() + 40);
      await assert.rejects(conn.readChunk(), isDeadlineExceeded);
      proxy.release();
      assert.equal(await writing, much.length);
      await conn.closeWrite();
    };
    const server: Side = async (conn) => assertBytes(await readAll(conn, { limit: much.length }), much);
    const outcome = await exchange(stallLarge, client, server);
    assert.deepEqual([outcome.client, outcome.server], [null, null]);
  });

  test("under a large write: close waits until it has left", async () => {
    const client: Side = async (conn, proxy) => {
      const writing = conn.write(much);
      const closing = conn.close();
      proxy.release();
      await Promise.all([writing, closing]);
    };
    const server: Side = async (conn) => assertBytes(await readAll(conn, { limit: much.length }), much);
    const outcome = await exchange(stallLarge, client, server);
    assert.deepEqual([outcome.client, outcome.server], [null, null]);
  });

  test("under a large write that expires: reads go on, and the peer sees no clean end", async () => {
    const got = Promise.withResolvers<Uint8Array>();
    const client: Side = async (conn, proxy) => {
      conn.setWriteDeadline(Date.now() + 40);
      await assert.rejects(conn.write(much), isDeadlineExceeded);
      conn.setWriteDeadline(later());
      await assert.rejects(conn.write(REQUEST), isDeadlineExceeded, "the stream has a hole");
      assertBytes((await conn.readChunk())!, RESPONSE);
      conn.closeNow();
      proxy.release();
    };
    const server: Side = async (conn) => {
      await conn.write(RESPONSE);
      const parts: Uint8Array[] = [];
      try {
        for (let part = await conn.readChunk(); part !== null; part = await conn.readChunk()) {
          parts.push(part);
        }
      } finally {
        got.resolve(concat(parts));
      }
    };
    const outcome = await exchange(stallLarge, client, server);
    const received = await got.promise;
    assert.equal(outcome.client, null);
    assert.ok(received.length < much.length);
    assertBytes(received, much.subarray(0, received.length));
    if (currentAdapter().name !== "deno") isBroken(outcome.server);
  });
});

// ── WebSocket ──

interface WebOutcome {
  client: unknown;
  /** `undefined` when no handshake reached it. */
  server: unknown;
  /** What the server's `onError` was told: nothing, as it is all the peer's doing. */
  reported: unknown[];
  passed: Record<Direction, number>;
}

type Meanwhile = (conn: WebSocketConn, proxy: FaultProxy) => void | Promise<void>;

/** Sends a message, does what there is to be done meanwhile, reads the answer, and closes. */
async function askWeb(proxy: FaultProxy, meanwhile: Meanwhile): Promise<void> {
  const conn = await dialWebSocketOn(runtime, `ws://${proxy.address}/`, { keepalive: false });
  try {
    conn.setDeadline(later());
    await conn.writeMessage("question");
    await meanwhile(conn, proxy);
    assert.equal((await conn.readMessage()).data, "answer");
    const info = await conn.close(1000, "thanks");
    if (info.code !== 1000) throw new CloseError(info);
    assert.deepEqual(info, { code: 1000, reason: "thanks", wasClean: true });
  } finally {
    conn.closeNow();
    await conn.closed;
  }
}

async function answerWeb(conn: WebSocketConn): Promise<void> {
  conn.setDeadline(later());
  assert.equal((await conn.readMessage()).data, "question");
  await conn.writeMessage("answer");
  await conn.readMessage().then(() => assert.fail("more came"), (error) => {
    if (!(error instanceof CloseError) || error.code !== 1000) throw error;
  });
}

async function webExchange(options: ProxyOptions, meanwhile: Meanwhile = () => {}): Promise<WebOutcome> {
  const outcome: WebOutcome = {
    client: undefined,
    server: undefined,
    reported: [],
    passed: { toServer: 0, toClient: 0 },
  };
  const listener = await listenOn(runtime, "tcp", "127.0.0.1:0");
  const server = new Server(runtime, listener, {
    keepalive: false,
    websocket: async (conn) => void (outcome.server = await outcomeOf(answerWeb(conn))),
    onError: (error) => void outcome.reported.push(error),
  });
  const proxy = await FaultProxy.open(String(listener.addr), options);
  outcome.client = await outcomeOf(askWeb(proxy, meanwhile));
  await server.shutdown();
  await proxy.close();
  outcome.passed = proxy.passed;
  return outcome;
}

/** A handshake that was cut fails with what `isExpected` takes; an open connection closes with 1006. */
function checkWebOutcome(
  outcome: WebOutcome,
  totals: Record<Direction, number>,
  isExpected: (e: unknown) => void,
): void {
  const { client, server, reported, passed } = outcome;
  assert.deepEqual(reported, []);
  if (client instanceof CloseError) assert.equal(client.code, 1006);
  else if (client !== null) isExpected(client);
  else assert.equal(passed.toClient, totals.toClient, "the client completed with a part");
  if (server === undefined) assert.ok(passed.toServer < totals.toServer, "no handshake reached the server");
  else if (server === null) {
    assert.equal(passed.toServer, totals.toServer, "the server completed with a part");
  } else {
    assert.ok(server instanceof CloseError, `not a CloseError: ${server}`);
    assert.equal(server.code, 1006);
  }
}

function isCutHandshake(error: unknown): void {
  assert.ok(error instanceof HandshakeError, `not a HandshakeError: ${error}`);
  assert.equal(error.status, 0);
}

/** One message and its echo with little patience; what the client failed with. */
async function stalledWebExchange(fault: Fault): Promise<unknown> {
  const patience = { handshakeTimeout: 40, closeTimeout: 40 };
  const listener = await listenOn(runtime, "tcp", "127.0.0.1:0");
  const server = new Server(runtime, listener, {
    ...patience,
    async websocket(conn) {
      for await (const message of conn) await conn.writeMessage(message.data);
    },
  });
  const proxy = await FaultProxy.open(String(listener.addr), { fault });
  const failed = await outcomeOf((async () => {
    const conn = await dialWebSocketOn(runtime, `ws://${proxy.address}/`, patience);
    conn.setReadDeadline(Date.now() + 40);
    await conn.writeMessage("question");
    const reading = await outcomeOf(conn.readMessage());
    await conn.close();
    if (reading !== null) throw reading;
  })());
  await server.shutdown();
  await proxy.close();
  return failed;
}

describe("faults: a WebSocket cut at every byte", () => {
  holdProcess();

  test("1-byte chunks", async () => {
    const { client, server } = await webExchange({
      toServer: { bytewise: true },
      toClient: { bytewise: true },
    });
    assert.deepEqual([client, server], [null, null]);
  });

  const cuts: [string, Fault["kind"], (error: unknown) => void][] = [
    ["RST", "reset", isBroken],
    ["FIN", "end", isCutHandshake],
    ["close", "close", (error) => error instanceof HandshakeError || isBroken(error)],
  ];
  for (const [title, kind, isExpected] of cuts) {
    for (const counting of ["toServer", "toClient"] as const) {
      test(`${title} ${counting}`, async () => {
        const sound = await webExchange({});
        assert.deepEqual([sound.client, sound.server], [null, null]);
        await atEachOffset(sound.passed[counting], async (after) => {
          checkWebOutcome(await webExchange({ fault: { kind, after, counting } }), sound.passed, isExpected);
        });
      });
    }
  }

  test("a stall in a message: the deadline passes, and then it arrives whole", async () => {
    const { passed } = await webExchange({});
    // At the end come two frames of the server, with heads of two bytes: the answer, and the close frame with its code.
    const end = passed.toClient - (2 + 2 + "thanks".length);
    for (let after = end - 2 - "answer".length; after < end; after++) {
      const fault = { kind: "stall", after, counting: "toClient" } as const;
      const outcome = await webExchange({ fault }, async (conn, proxy) => {
        conn.setReadDeadline(Date.now() + 10);
        await assert.rejects(conn.readMessage(), isDeadlineExceeded);
        proxy.release();
        conn.setReadDeadline(later());
      });
      assert.deepEqual([outcome.client, outcome.server], [null, null], `after ${after} bytes`);
      assert.deepEqual(outcome.passed, passed);
    }
  });

  for (const counting of ["toServer", "toClient"] as const) {
    test(`a stall ${counting} for ever: the handshake's time passes, or the message's`, async () => {
      const sound = await webExchange({});
      const stalled = async (after: number) => {
        const failed = await stalledWebExchange({ kind: "stall", after, counting });
        // A server that waits for the rest of a request says so, if it can.
        if (failed instanceof HandshakeError) assert.equal(failed.status, 408);
        else if (failed !== null) assert.ok(failed instanceof NetError && failed.timeout, `${failed}`);
        else assert.ok(after > sound.passed[counting] / 2, "it completed though it was stalled");
      };
      const offsets = Array.from({ length: sound.passed[counting] + 1 }, (_, i) => i);
      for (let i = 0; i < offsets.length; i += 50) await Promise.all(offsets.slice(i, i + 50).map(stalled));
    });
  }
});
