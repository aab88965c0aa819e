import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { netError } from "../../adapters/net_errors.ts";
import { ClosedError, NetError } from "../../src/net/errors.ts";
import { limit } from "../net/support.ts";

/** An error as runtimes make them. */
function raw(fields: Record<string, unknown>, message = "from the runtime"): Error {
  return Object.assign(new Error(message), fields);
}

const cases: [what: string, error: unknown, code: string][] = [
  ["a code", raw({ code: "ECONNRESET" }), "ECONNRESET"],
  ["a failed name lookup", raw({ code: "EAI_AGAIN" }), "ENOTFOUND"],
  ["a write to what was destroyed", raw({ code: "ERR_STREAM_DESTROYED" }), "EPIPE"],
  ["a shutdown of what was reset", raw({ code: "ENOTCONN" }), "EPIPE"],
  ["a class of Deno's, without a code", raw({ name: "ConnectionReset" }), "ECONNRESET"],
  ["a lack of permission in Deno", raw({ name: "NotCapable" }), "EACCES"],
  ["a code rather than a class", raw({ name: "BrokenPipe", code: "ECONNRESET" }), "ECONNRESET"],
  ["Deno's failed name lookup", raw({}, "failed to lookup address information: no"), "ENOTFOUND"],
  ["the first of many attempts", new AggregateError([raw({ code: "ECONNREFUSED" })]), "ECONNREFUSED"],
  ["an error of nobody's", new TypeError("x"), "EIO"],
  ["a text", "x", "EIO"],
  ["nothing", undefined, "EIO"],
  ["null", null, "EIO"],
  ["a numeric code", raw({ code: 5 }), "EIO"],
];

describe("netError", () => {
  for (const [what, error, code] of cases) {
    it(`gives ${code} for ${what}`, limit, () => {
      const mapped = netError(error, "dial", "tcp", "127.0.0.1:80");
      assert.ok(mapped instanceof NetError);
      assert.deepEqual([mapped.code, mapped.op, mapped.addr], [code, "dial", "127.0.0.1:80"]);
      assert.equal(mapped.cause, error);
    });
  }

  it("leaves a NetError as it is", limit, () => {
    const error = new ClosedError("read", "tcp");
    assert.equal(netError(error, "dial", "tcp"), error);
  });
});
