/** The accept loop of Deno's adapter, over a fake listener. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DenoListener, DenoServer } from "../../adapters/deno_server.ts";
import type { DenoTcpConn } from "../../adapters/deno_socket.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import type { NetError } from "../../src/net/errors.ts";
import type { StreamSocket } from "../../src/net/stream_socket.ts";
import { limit } from "../net/support.ts";

const ADDR = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
const CONN = { localAddr: ADDR, remoteAddr: ADDR } as unknown as DenoTcpConn;

/** What a server made of a list of results of `accept`, after which `accept` stays pending. */
async function serve(
  results: readonly (DenoTcpConn | Error)[],
): Promise<{ accepted: number; errors: string[] }> {
  const left = [...results];
  const accepted: StreamSocket[] = [];
  const errors: string[] = [];
  let drained = () => {};
  const listener: DenoListener = {
    addr: ADDR,
    async accept() {
      const next = left.shift();
      if (next === undefined) return (drained(), new Promise(() => {}));
      if (next instanceof Error) throw next;
      return next;
    },
    ref() {},
    unref() {},
    close() {},
  };
  const server = new DenoServer(listener, {
    onAccept: (socket) => void accepted.push(socket),
    onError: (error: NetError) => void errors.push(error.code),
  }, tcpAddr("127.0.0.1", 0));
  const all = new Promise<void>((resolve) => (drained = resolve));
  server.resume();
  await all;
  return { accepted: accepted.length, errors };
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe("accept on Deno", () => {
  it("skips connections that were reset, and waits for nothing", limit, async (t) => {
    // A timer that is set now never rings.
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const codes = ["ENOTCONN", "ECONNABORTED", "ECONNRESET", "EPROTO"];
    const nameless = Object.assign(new Error("not connected"), { name: "NotConnected" });
    const results = [...codes.map(failure), nameless, CONN, failure("ENOTCONN"), CONN];
    const outcome = await serve(results);
    t.mock.timers.reset();
    assert.deepEqual(outcome, { accepted: 2, errors: [] });
  });

  it("waits while there are no descriptors or no memory, and reports neither", limit, async () => {
    const results = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"].map(failure);
    assert.deepEqual(await serve([...results, CONN]), { accepted: 1, errors: [] });
  });

  it("reports any other failure, and goes on", limit, async () => {
    assert.deepEqual(await serve([failure("EINVAL"), CONN]), { accepted: 1, errors: ["EINVAL"] });
  });
});
