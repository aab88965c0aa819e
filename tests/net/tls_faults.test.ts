/** Exchanges under TLS through a fault proxy: each completes with every byte or fails, and none hangs. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import type { Conn } from "../../src/net/conn.ts";
import { dialTlsOn, listenTlsOn } from "../../src/net/dial_tls.ts";
import { ClosedError, NetError, UnexpectedEofError } from "../../src/net/errors.ts";
import { readFull } from "../../src/net/io.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { clientTls, serverTls } from "./certificates.ts";
import { openSockets, socketsDownTo } from "./descriptors.ts";
import { FaultProxy, type ProxyOptions } from "./fault_proxy.ts";
import { assertBytes, holdProcess, pattern } from "./support.ts";

const limit = { timeout: 60_000 };

/** One for this file, so that its alarms can be counted. */
const runtime = new Runtime(currentAdapter());

const REQUEST = pattern(0, 100);
const RESPONSE = pattern(1000, 1100);

/** Bytes between two cuts. A handshake has some thousand, of keys and signatures that are alike. */
const STRIDE = 41;

/** Bytes of the longest handshake with its exchange: cuts after the end harm nobody. */
const LONGEST = 4500;

/** How both sides fared, `null` for well; the server's is a `ClosedError` when the connection never came to it. */
async function exchange(options: ProxyOptions): Promise<[client: unknown, server: unknown]> {
  const listener = await listenTlsOn(runtime, "tcp", "127.0.0.1:0", {
    tls: serverTls,
    onHandshakeError: (error) => {
      isExpected(error);
      void listener.close();
    },
  });
  const proxy = await FaultProxy.open(String(listener.addr), options);
  const serving = outcome(listener.accept(), async (conn) => {
    await expect(conn, REQUEST);
    await conn.write(RESPONSE);
  });
  const client = await outcome(dialTlsOn(runtime, "tcp", proxy.address, { tls: clientTls }), async (conn) => {
    await conn.write(REQUEST);
    await expect(conn, RESPONSE);
  });
  // A reset may take a connection away before it was accepted.
  if (client !== null) await listener.close();
  const server = await serving;
  await listener.close();
  await proxy.close();
  return [client, server];
}

async function outcome(opening: Promise<Conn>, side: (conn: Conn) => Promise<void>): Promise<unknown> {
  let conn: Conn | null = null;
  try {
    conn = await opening;
    conn.setDeadline(Date.now() + 30_000);
    await side(conn);
    return null;
  } catch (error) {
    return error;
  } finally {
    await conn?.close();
  }
}

async function expect(conn: Conn, bytes: Uint8Array): Promise<void> {
  const p = new Uint8Array(bytes.length);
  await readFull(conn, p);
  assertBytes(p, bytes);
}

function isExpected(error: unknown): void {
  if (error instanceof UnexpectedEofError || error instanceof ClosedError) return;
  assert.ok(error instanceof NetError, `not a NetError: ${error}`);
  assert.match(error.code, /^(ECONNRESET|EPIPE|ETLS)$/);
}

describe("faults under TLS", () => {
  holdProcess();

  const manners: [string, ProxyOptions][] = [
    ["no fault", {}],
    ["1-byte chunks", { toServer: { bytewise: true }, toClient: { bytewise: true } }],
    ["a delay per chunk", { toServer: { delay: 5 }, toClient: { delay: 5 } }],
  ];
  for (const [title, options] of manners) {
    it(title, limit, async () => assert.deepEqual(await exchange(options), [null, null]));
  }

  for (const kind of ["reset", "close"] as const) {
    it(`${kind} along a handshake and what follows`, limit, async () => {
      const before = openSockets();
      const failed: number[] = [];
      for (let after = 0; after < LONGEST; after += STRIDE) {
        const outcomes = await exchange({ fault: { kind, after, counting: "both" } });
        for (const error of outcomes) if (error !== null) isExpected(error);
        if (outcomes[0] !== null) failed.push(after);
      }
      assert.ok(failed.length > 20, "the cuts harm");
      assert.ok(failed.length < LONGEST / STRIDE, "the last come after the end");
      assert.equal(runtime.timers.size, 0, "an alarm is left");
      await socketsDownTo(before);
    });
  }
});
