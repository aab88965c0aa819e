import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClosedError, DeadlineExceededError, NetError, UnexpectedEofError } from "../../src/net/errors.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import { limit } from "./support.ts";

describe("NetError", () => {
  it("says what failed, where and why", limit, () => {
    const cause = new Error("from the runtime");
    const addr = tcpAddr("127.0.0.1", 80);
    const error = new NetError({ op: "dial", network: "tcp", addr, code: "ECONNREFUSED", cause });
    assert.equal(error.name, "NetError");
    assert.equal(error.message, "dial tcp 127.0.0.1:80: connection refused");
    assert.deepEqual([error.op, error.network, error.addr], ["dial", "tcp", "127.0.0.1:80"]);
    assert.deepEqual([error.code, error.timeout, error.cause], ["ECONNREFUSED", false, cause]);
    assert.ok(error instanceof Error);
  });

  it("does without an address, a known code and a cause", limit, () => {
    const error = new NetError({ op: "read", network: "pipe", code: "ESTRANGE" });
    assert.equal(error.message, "read pipe: ESTRANGE");
    assert.equal(error.addr, undefined);
    assert.equal(Object.hasOwn(error, "cause"), false);
  });

  it("is a time-out when the code says so", limit, () => {
    assert.equal(new NetError({ op: "dial", network: "tcp", code: "ETIMEDOUT" }).timeout, true);
  });
});

describe("the errors under NetError", () => {
  it("are told apart by class, name and code", limit, () => {
    const deadline = new DeadlineExceededError("read", "tcp", "127.0.0.1:80");
    assert.ok(deadline instanceof NetError);
    assert.equal(deadline.name, "DeadlineExceededError");
    assert.equal(deadline.message, "read tcp 127.0.0.1:80: deadline exceeded");
    assert.deepEqual([deadline.timeout, deadline.code], [true, "ETIMEDOUT"]);

    const closed = new ClosedError("accept", "tcp");
    assert.ok(closed instanceof NetError);
    assert.equal(closed.name, "ClosedError");
    assert.equal(closed.message, "accept tcp: use of closed connection");
    assert.deepEqual([closed.timeout, closed.code], [false, "ECLOSED"]);

    const eof = new UnexpectedEofError("The stream ended in a line");
    assert.ok(!((eof as Error) instanceof NetError));
    assert.equal(eof.name, "UnexpectedEofError");
  });
});
