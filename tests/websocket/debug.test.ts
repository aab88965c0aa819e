import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { maskField, maskUrl } from "../../src/websocket/debug.ts";

describe("maskUrl()", () => {
  const urls: [string, string][] = [
    ["wss://a.example/chat", "wss://a.example/chat"],
    ["wss://user:pass@a.example:8443/chat", "wss://***@a.example:8443/chat"],
    ["ws://a.example/?token=abc&x=1", "ws://a.example/?***"],
    ["/chat?token=abc", "/chat?***"],
    ["/a@b?c", "/a@b?***"],
    ["ws://a.example/#token", "ws://a.example/#***"],
    ["ws//host/?token=abc\nmore", "ws//host/?***"],
  ];
  for (const [url, masked] of urls) {
    it(`shows ${JSON.stringify(url)} as ${masked}`, () => assert.equal(maskUrl(url), masked));
  }
});

describe("maskField()", () => {
  it("masks credentials, cookies and subprotocols, whatever their case", () => {
    const secret = [
      "Authorization",
      "COOKIE",
      "Proxy-Authorization",
      "Sec-WebSocket-Protocol",
      "X-Auth-Token",
    ];
    for (const name of secret) assert.deepEqual(maskField([name, "abc"]), [name, "***"]);
  });

  it("shows the rest, an origin and a referer without their query", () => {
    assert.deepEqual(maskField(["Host", "a.example"]), ["Host", "a.example"]);
    assert.deepEqual(maskField(["Referer", "https://a.example/?token=b"]), [
      "Referer",
      "https://a.example/?***",
    ]);
  });
});
