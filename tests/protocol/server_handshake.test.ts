import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderFields } from "../../src/http/header_fields.ts";
import { type RequestHead, ResponseHeadReader } from "../../src/http/head.ts";
import {
  checkUpgradeRequest,
  encodeUpgradeResponse,
  isUpgradeRequest,
  sameOriginHost,
  selectSubprotocol,
} from "../../src/protocol/server_handshake.ts";
import { latin1 } from "./feed.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

type Changes = Readonly<Record<string, string | readonly string[] | null>>;

/** The RFC's example (1.3), with fields changed, repeated or left out. */
function request(changes: Changes = {}, line: Partial<Omit<RequestHead, "headers">> = {}): RequestHead {
  const fields = new Map<string, string | readonly string[] | null>(Object.entries({
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
  }));
  for (const [name, value] of Object.entries(changes)) fields.set(name, value);
  const headers = new HeaderFields();
  for (const [name, values] of fields) {
    for (const value of values === null ? [] : [values].flat()) headers.append(name, value);
  }
  return { method: "GET", target: "/chat", minorVersion: 1, ...line, headers };
}

function accepted(changes: Changes = {}) {
  const check = checkUpgradeRequest(request(changes));
  assert.ok(check.ok, check.ok ? "" : check.reason);
  return check;
}

/** The refusal's fields, in one line. */
function refused(status: number, reason: RegExp, head: RequestHead): string {
  const check = checkUpgradeRequest(head);
  assert.ok(!check.ok, "must be refused");
  assert.equal(check.status, status);
  assert.match(check.reason, reason);
  return check.headers.map(([name, value]) => `${name}: ${value}`).join("; ");
}

describe("RFC 6455, 4.2.1: reading the client's handshake", () => {
  it("the RFC's example is accepted", () => {
    assert.deepEqual(accepted(), { ok: true, key: KEY, subprotocols: [], extensions: [] });
  });

  it("item 1: another method is refused with 405", () => {
    for (const method of ["POST", "HEAD", "get", "CONNECT", "OPTIONS"]) {
      assert.equal(refused(405, /method/, request({}, { method })), "Allow: GET");
    }
  });

  it("item 1: HTTP/1.0 is refused with 400", () => {
    assert.equal(refused(400, /HTTP\/1\.0/, request({}, { minorVersion: 0 })), "");
  });

  it("item 2: exactly one Host", () => {
    refused(400, /Host/, request({ Host: null }));
    refused(400, /Host/, request({ Host: ["a", "a"] }));
  });

  it("item 3: Upgrade names websocket among others and in any case", () => {
    for (
      const Upgrade of ["WebSocket", "WEBSOCKET", "h2c, websocket", "HTTP/2.0 ,\twebsocket", [
        "h2c",
        "websocket",
      ]]
    ) {
      assert.ok(accepted({ Upgrade }));
    }
    for (
      const Upgrade of [
        null,
        "",
        "h2c",
        "websocket2",
        "web socket",
        "websocket/13",
        "x-websocket",
        "websocket\xa0",
      ]
    ) {
      assert.equal(refused(426, /Upgrade/, request({ Upgrade })), "Upgrade: websocket; Connection: Upgrade");
    }
  });

  it("item 4: Connection names upgrade among others and in any case", () => {
    for (
      const Connection of ["upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade,keep-alive", [
        "close",
        "upgrade",
      ]]
    ) {
      assert.ok(accepted({ Connection }));
    }
    for (const Connection of [null, "", "keep-alive", "upgraded", "up grade", "upgrade; a"]) {
      assert.equal(refused(400, /Connection/, request({ Connection })), "");
    }
  });

  it("item 5: exactly one key, 16 bytes in base64", () => {
    const short = "AAAAAAAAAAAAAAAAAAAA"; // 15 bytes
    for (const key of [null, [KEY, KEY], [KEY, ""]]) {
      refused(400, /Key/, request({ "Sec-WebSocket-Key": key }));
    }
    for (
      const key of [
        "",
        "x",
        short,
        "AAAAAAAAAAAAAAAAAAAAAAA=",
        KEY.slice(0, -1),
        `${KEY},`,
        "dGhl_HNhbXBsZSBub25jZQ==",
        `${KEY}${KEY}`,
      ]
    ) {
      refused(400, /16 bytes/, request({ "Sec-WebSocket-Key": key }));
    }
  });

  it("item 6: version 13 and no other; the answer names it (4.4)", () => {
    for (
      const version of [
        null,
        "",
        "8",
        "12",
        "14",
        "013",
        "13.0",
        "13, 8",
        "8, 13",
        ["13", "13"],
        ["13", "8"],
        "0x0d",
      ]
    ) {
      const headers = refused(426, /Version/, request({ "Sec-WebSocket-Version": version }));
      assert.equal(headers, "Upgrade: websocket; Connection: Upgrade; Sec-WebSocket-Version: 13");
    }
  });

  it("item 8: subprotocols in their order, over several fields", () => {
    assert.deepEqual(accepted({ "Sec-WebSocket-Protocol": "chat, superchat" }).subprotocols, [
      "chat",
      "superchat",
    ]);
    assert.deepEqual(accepted({ "Sec-WebSocket-Protocol": ["b", "a,c"] }).subprotocols, ["b", "a", "c"]);
    const inherited = ["__proto__", "constructor"];
    assert.deepEqual(accepted({ "Sec-WebSocket-Protocol": inherited }).subprotocols, inherited);
  });

  it("item 8: subprotocols that are malformed or repeated are refused", () => {
    for (const value of ["a b", "a/b", '"a"', "caf\xe9", "a;b", "a, \xff", "a\x00", "a,b c"]) {
      refused(400, /Protocol header is malformed/, request({ "Sec-WebSocket-Protocol": value }));
    }
    for (const value of ["a, a", "a,b,a", ["a", "a"]]) {
      refused(400, /twice/, request({ "Sec-WebSocket-Protocol": value }));
    }
    assert.deepEqual(accepted({ "Sec-WebSocket-Protocol": "a, A" }).subprotocols, ["a", "A"]);
  });

  it("item 9: extensions in their order, over several fields", () => {
    const offers = ["permessage-deflate; client_max_window_bits, x", "permessage-deflate"];
    assert.deepEqual(accepted({ "Sec-WebSocket-Extensions": offers }).extensions, [
      { name: "permessage-deflate", params: [{ name: "client_max_window_bits", value: true }] },
      { name: "x", params: [] },
      { name: "permessage-deflate", params: [] },
    ]);
    assert.equal(
      accepted({ "Sec-WebSocket-Extensions": "constructor; __proto__" }).extensions[0]?.name,
      "constructor",
    );
  });

  it("items 8 and 9: a list without members is an absent one", () => {
    for (const value of ["", ",", [" , ", ""]]) {
      assert.deepEqual(accepted({ "Sec-WebSocket-Protocol": value }).subprotocols, []);
      assert.deepEqual(accepted({ "Sec-WebSocket-Extensions": value }).extensions, []);
    }
  });

  it("item 9: malformed extensions are refused", () => {
    for (const value of ["a;", "a b", 'a; b="', "a; b=", ['a; b="x', 'y"'], "\xe9"]) {
      refused(400, /Extensions header is malformed/, request({ "Sec-WebSocket-Extensions": value }));
    }
  });

  it("a head's worth of pathological lists returns", () => {
    const long = Array.from({ length: 4000 }, (_, i) => `p${i}`).join(",");
    assert.equal(accepted({ "Sec-WebSocket-Protocol": long }).subprotocols.length, 4000);
    refused(400, /twice/, request({ "Sec-WebSocket-Protocol": `${long},p0` }));
    refused(400, /malformed/, request({ "Sec-WebSocket-Protocol": `a${" ".repeat(16_384)}b` }));
    refused(400, /malformed/, request({ "Sec-WebSocket-Extensions": `a; b="${"\\c".repeat(8192)}` }));
    refused(426, /Upgrade/, request({ Upgrade: " ,".repeat(8192) }));
  });
});

describe("RFC 9110, 7.8: what is an upgrade request", () => {
  it("isUpgradeRequest() asks for both fields, and leaves the rest to the check", () => {
    assert.equal(isUpgradeRequest(request()), true);
    assert.equal(isUpgradeRequest(request({ "Sec-WebSocket-Key": null }, { method: "POST" })), true);
    assert.equal(
      isUpgradeRequest(request({ Upgrade: "h2c, WebSocket", Connection: "keep-alive, UPGRADE" })),
      true,
    );
    assert.equal(isUpgradeRequest(request({ Upgrade: null })), false);
    assert.equal(isUpgradeRequest(request({ Upgrade: "h2c" })), false);
    assert.equal(isUpgradeRequest(request({ Connection: null })), false);
    assert.equal(isUpgradeRequest(request({ Connection: "keep-alive" })), false);
  });

  it("isUpgradeRequest() ignores Upgrade in HTTP/1.0", () => {
    assert.equal(isUpgradeRequest(request({}, { minorVersion: 0 })), false);
  });
});

describe("RFC 6455, 4.2.2, item 4: choosing a subprotocol", () => {
  it("selectSubprotocol() takes the first of the server's that the client offers", () => {
    assert.equal(selectSubprotocol(["c", "b", "a"], ["a", "b"]), "a");
    assert.equal(selectSubprotocol(["a"], ["A"]), "");
    assert.equal(selectSubprotocol([], ["a"]), "");
    assert.equal(selectSubprotocol(["a"], []), "");
    assert.equal(selectSubprotocol(["__proto__", "constructor"], []), "");
  });
});

describe("RFC 6455, 10.2: origin", () => {
  it("no Origin is no page", () => {
    assert.equal(sameOriginHost(null, "a"), true);
  });

  it("the same host and port pass, in any case and with the scheme's port named or not", () => {
    const pairs: [string, string][] = [
      ["http://a.example", "a.example"],
      ["https://A.example", "a.EXAMPLE"],
      ["http://a:8080", "a:8080"],
      ["http://a:80", "a"],
      ["http://a", "a:80"],
      ["HTTPS://a", "a:443"],
      ["https://a:443", "a"],
      ["http://a:", "a:"],
      ["http://[::1]:8080", "[::1]:8080"],
      ["http://[FE80::1]", "[fe80::1]:80"],
      ["ws://a", "a:80"],
      ["chrome-extension://abc", "abc"],
    ];
    for (const [origin, host] of pairs) {
      assert.equal(sameOriginHost(origin, host), true, `${origin} for ${host}`);
    }
  });

  it("another host or port does not", () => {
    const pairs: [string, string][] = [
      ["http://b", "a"],
      ["http://a.evil", "a"],
      ["http://evil.a", "a"],
      ["http://aa", "a"],
      ["http://a:81", "a"],
      ["http://a:443", "a"],
      ["https://a", "a:80"],
      ["http://a", "a:8080"],
      ["http://a:8080", "a"],
      ["http://127.0.0.1", "localhost"],
      ["http://[::1]", "[::2]"],
      ["http://a.", "a"],
      ["chrome-extension://abc", "abc:80"],
    ];
    for (const [origin, host] of pairs) {
      assert.equal(sameOriginHost(origin, host), false, `${origin} for ${host}`);
    }
  });

  it("the origin null, and what is no origin, do not", () => {
    const bad = [
      "null",
      "",
      "a",
      "//a",
      "http:a",
      "http:/a",
      "http://",
      "://a",
      "http://a/",
      "http://a/b",
      "http://u@a",
      "http://a@b",
    ];
    for (
      const origin of [
        ...bad,
        "http://a, http://a",
        "http://a b",
        "http://a:x",
        "http://a:65616",
        "http://a#",
        "http://a?",
        "1http://a",
        "http://\xe9",
      ]
    ) {
      assert.equal(sameOriginHost(origin, "a"), false, origin);
    }
    for (const host of ["", "null", "a/b", "a, a"]) {
      assert.equal(sameOriginHost("http://a", host), false, host);
    }
    assert.equal(sameOriginHost("null", "null"), false);
    assert.equal(sameOriginHost("http://", ""), false);
  });

  it("a head's worth of anything returns", () => {
    for (const part of ["a", ":", "/", "://", "[", "a:"]) {
      assert.equal(sameOriginHost(part.repeat(16_384), "a"), false);
      assert.equal(sameOriginHost(`http://${part.repeat(16_384)}`, "a"), false);
    }
  });
});

describe("RFC 6455, 4.2.2, item 5: the server's handshake", () => {
  const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

  it("encodeUpgradeResponse() gives the RFC's example (1.3)", () => {
    assert.equal(
      text(encodeUpgradeResponse({ key: KEY, subprotocol: "chat" })),
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
    );
  });

  it("encodeUpgradeResponse() writes extensions and further fields", () => {
    const bytes = encodeUpgradeResponse({
      key: KEY,
      subprotocol: "",
      extensions: [{ name: "permessage-deflate", params: [{ name: "server_max_window_bits", value: "10" }] }],
      headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]],
    });
    const head = new ResponseHeadReader().receive(bytes);
    assert.equal(head?.headers.has("sec-websocket-protocol"), false);
    assert.equal(
      head?.headers.get("sec-websocket-extensions"),
      "permessage-deflate; server_max_window_bits=10",
    );
    assert.deepEqual(head?.headers.getAll("set-cookie"), ["a=1", "b=2"]);
  });

  it("encodeUpgradeResponse() leaves out what is empty or undefined", () => {
    const plain = text(encodeUpgradeResponse({ key: KEY }));
    assert.equal(
      text(encodeUpgradeResponse({ key: KEY, subprotocol: undefined, extensions: [], headers: undefined })),
      plain,
    );
  });

  it("encodeUpgradeResponse() gives the same for a key alone as where it has to look for more", () => {
    for (let i = 0; i < 50; i++) {
      const key = btoa(String.fromCharCode(...Array.from({ length: 16 }, (_, j) => (i * 37 + j * 11) & 255)));
      const long = text(encodeUpgradeResponse({ key, extensions: [], headers: [] }));
      for (const options of [{ key }, { key, subprotocol: "" }, { key, headers: undefined }]) {
        assert.equal(text(encodeUpgradeResponse(options)), long);
      }
      assert.equal(
        new ResponseHeadReader().receive(latin1(long))?.headers.get("sec-websocket-accept")?.length,
        28,
      );
    }
  });

  it("encodeUpgradeResponse() gives bytes that are the caller's to change", () => {
    const first = encodeUpgradeResponse({ key: KEY });
    const sent = first.slice();
    first.fill(0xee);
    assert.deepEqual(encodeUpgradeResponse({ key: KEY }), sent);
    assert.equal(first.buffer.byteLength, first.length);
  });

  it("encodeUpgradeResponse() refuses the handshake's own fields and those of a body", () => {
    const own = [
      "Upgrade",
      "connection",
      "SEC-WEBSOCKET-ACCEPT",
      "Sec-WebSocket-Protocol",
      "Sec-WebSocket-Extensions",
    ];
    for (const name of [...own, "Content-Length", "transfer-Encoding"]) {
      assert.throws(() => encodeUpgradeResponse({ key: KEY, headers: [[name, "0"]] }), TypeError, name);
    }
  });

  it("encodeUpgradeResponse() refuses what would split the head", () => {
    for (const bad of ["a\r\nSet-Cookie: b", "a\n", "\0", "\u0100"]) {
      assert.throws(() => encodeUpgradeResponse({ key: KEY, subprotocol: bad }), TypeError);
      assert.throws(() => encodeUpgradeResponse({ key: KEY, headers: [["A", bad]] }), TypeError);
      assert.throws(() => encodeUpgradeResponse({ key: KEY, headers: [[bad, "a"]] }), TypeError);
      assert.throws(
        () => encodeUpgradeResponse({ key: KEY, extensions: [{ name: bad, params: [] }] }),
        TypeError,
      );
    }
    assert.throws(() => encodeUpgradeResponse({ key: KEY, subprotocol: "a, b" }), TypeError);
  });
});
