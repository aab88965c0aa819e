import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RequestHeadReader } from "../../src/http/head.ts";
import { encodeRequestHead, encodeResponseHead, statusText } from "../../src/http/head_writer.ts";

describe("RFC 9112, 11.1: heads that are sent", () => {
  const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);
  const bad = ["a\r\nb", "a\r", "\n", "a\0", "\x7f", "\u0100", "\u{1F600}", "a\x0bb"];

  it("encodeRequestHead() writes what RequestHeadReader reads", () => {
    const bytes = encodeRequestHead("GET", "/a?b", [["Host", "a:1"], ["X-Y", "\xe9 z"], ["Empty", ""]]);
    assert.equal(text(bytes), "GET /a?b HTTP/1.1\r\nHost: a:1\r\nX-Y: \xe9 z\r\nEmpty: \r\n\r\n");
    assert.deepEqual([...new RequestHeadReader().receive(bytes)!.headers], [
      ["host", "a:1"],
      ["x-y", "\xe9 z"],
      ["empty", ""],
    ]);
  });

  it("encodeResponseHead() writes what ResponseHeadReader reads", () => {
    const bytes = encodeResponseHead(426, statusText(426), new Map([["Upgrade", "websocket"]]));
    assert.equal(text(bytes), "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\r\n");
    assert.equal(text(encodeResponseHead(599, "", [])), "HTTP/1.1 599 \r\n\r\n");
  });

  it("encoders refuse values that could end a line", () => {
    for (const value of bad) {
      assert.throws(() => encodeRequestHead("GET", "/", [["A", value]]), TypeError, JSON.stringify(value));
      assert.throws(() => encodeResponseHead(200, "OK", [["A", value]]), TypeError, JSON.stringify(value));
      assert.throws(() => encodeResponseHead(200, value, []), TypeError, JSON.stringify(value));
    }
  });

  it("encoders refuse names and methods that are no tokens", () => {
    for (const name of [...bad, "", "a b", "a:", " a", "a ", "\xe9"]) {
      assert.throws(() => encodeRequestHead("GET", "/", [[name, "b"]]), TypeError, JSON.stringify(name));
      assert.throws(() => encodeResponseHead(200, "OK", [[name, "b"]]), TypeError, JSON.stringify(name));
      assert.throws(() => encodeRequestHead(name, "/", []), TypeError, JSON.stringify(name));
    }
  });

  it("encoders refuse targets and statuses that cannot be", () => {
    for (const target of [...bad, "", "/ ", "/\xe9"]) {
      assert.throws(() => encodeRequestHead("GET", target, []), TypeError);
    }
    for (const status of [99, 1000, NaN, 200.5, -1, Infinity]) {
      assert.throws(() => encodeResponseHead(status, "", []), TypeError);
    }
  });

  it("statusText() knows the usual statuses and no inherited name", () => {
    assert.equal(statusText(101), "Switching Protocols");
    assert.equal(statusText(431), "Request Header Fields Too Large");
    assert.equal(statusText(599), "");
    assert.equal(statusText("constructor" as unknown as number), "");
  });
});
