import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  checkUpgradeResponse,
  encodeUpgradeRequest,
  parseWebSocketUrl,
  type UpgradeRequestOptions,
  type UrlLike,
} from "../../src/protocol/client_handshake.ts";
import { HeaderFields } from "../../src/http/header_fields.ts";
import { RequestHeadReader, type ResponseHead, ResponseHeadReader } from "../../src/http/head.ts";
import { checkUpgradeRequest, encodeUpgradeResponse } from "../../src/protocol/server_handshake.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const DEFLATE = {
  name: "permessage-deflate",
  params: [{ name: "client_max_window_bits", value: true as const }],
};

describe("RFC 6455, 3: WebSocket URLs", () => {
  const parse = (url: string) => parseWebSocketUrl(new URL(url));

  it("parseWebSocketUrl() takes a URL apart", () => {
    assert.deepEqual(parse("ws://Example.com/chat?a=b&c"), {
      secure: false,
      hostname: "example.com",
      port: 80,
      host: "example.com",
      target: "/chat?a=b&c",
    });
    assert.deepEqual(parse("wss://example.com:8443"), {
      secure: true,
      hostname: "example.com",
      port: 8443,
      host: "example.com:8443",
      target: "/",
    });
  });

  it("parseWebSocketUrl() leaves the scheme's own port out of Host (4.1, item 4)", () => {
    const ports = [["ws://a:80", "a", 80], ["wss://a:443", "a", 443], ["ws://a:443", "a:443", 443], [
      "wss://a:80",
      "a:80",
      80,
    ]] as const;
    for (const [url, host, port] of ports) {
      assert.deepEqual([parse(url).host, parse(url).port], [host, port], url);
    }
    const explicit: UrlLike = { ...plain("ws:"), port: "80" };
    assert.equal(parseWebSocketUrl(explicit).host, "a");
  });

  it("parseWebSocketUrl() gives an IPv6 address without brackets, Host with them", () => {
    const { hostname, host } = parse("ws://[::1]:9000/");
    assert.deepEqual([hostname, host], ["::1", "[::1]:9000"]);
    assert.equal(parse("ws://[::1]/").host, "[::1]");
  });

  it("parseWebSocketUrl() takes http and https for ws and wss", () => {
    assert.deepEqual(parse("http://a/b"), parse("ws://a/b"));
    assert.deepEqual(parse("https://a/b"), parse("wss://a/b"));
  });

  it("parseWebSocketUrl() keeps what the URL escaped", () => {
    assert.equal(parse("ws://a/\u00e9 b?\u00e9 c").target, "/%C3%A9%20b?%C3%A9%20c");
    assert.equal(parse("ws://a?b").target, "/?b");
    assert.equal(parse("ws://a//b").target, "//b");
  });

  it("parseWebSocketUrl() refuses other schemes, fragments and credentials", () => {
    for (const url of ["ftp://a", "file:///a", "data:a", "wsx://a", "blob:ws://a"]) {
      assert.throws(() => parse(url), SyntaxError, url);
    }
    for (const url of ["ws://a/#b", "ws://u@a", "ws://u:p@a", "ws://:p@a"]) {
      assert.throws(() => parse(url), SyntaxError, url);
    }
  });

  function plain(protocol: string): UrlLike {
    return {
      protocol,
      hostname: "a",
      port: "",
      pathname: "/",
      search: "",
      hash: "",
      username: "",
      password: "",
    };
  }

  it("parseWebSocketUrl() trusts no object that only looks like a URL", () => {
    const bad: Partial<UrlLike>[] = [{ hostname: "" }, { hostname: "a\r\nb" }, { hostname: "a/b" }, {
      port: "65536",
    }, { port: "x" }];
    for (
      const part of [
        ...bad,
        { pathname: "a" },
        { pathname: "/ " },
        { search: "?\r\nX: y" },
        { search: "?\u00e9" },
        { search: "#a" },
        { protocol: "__proto__" },
      ]
    ) {
      assert.throws(() => parseWebSocketUrl({ ...plain("ws:"), ...part }), SyntaxError, JSON.stringify(part));
    }
  });
});

describe("RFC 6455, 4.1: the client's handshake", () => {
  const base = { host: "server.example.com", target: "/chat", key: KEY };
  const text = (options: Partial<UpgradeRequestOptions> = {}) =>
    String.fromCharCode(...encodeUpgradeRequest({ ...base, ...options }));

  it("encodeUpgradeRequest() gives the RFC's example (1.2)", () => {
    assert.equal(
      text({ origin: "http://example.com", subprotocols: ["chat", "superchat"] }),
      "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n` +
        "Sec-WebSocket-Protocol: chat, superchat\r\n\r\n",
    );
  });

  it("encodeUpgradeRequest() writes extensions and further fields", () => {
    const sent = text({
      extensions: [DEFLATE, { name: "x", params: [] }],
      headers: new Map([["Cookie", "a=b"], ["Origin", "http://o"]]),
    });
    assert.match(
      sent,
      /\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x\r\nCookie: a=b\r\nOrigin: http:\/\/o\r\n\r\n$/,
    );
  });

  it("encodeUpgradeRequest() leaves out what is empty or undefined", () => {
    assert.equal(text({ origin: undefined, subprotocols: [], extensions: undefined, headers: [] }), text());
  });

  it("what encodeUpgradeRequest() writes, a server accepts", () => {
    const head = new RequestHeadReader().receive(
      encodeUpgradeRequest({ ...base, subprotocols: ["a"], extensions: [DEFLATE] }),
    );
    assert.ok(head);
    assert.deepEqual(checkUpgradeRequest(head), {
      ok: true,
      key: KEY,
      subprotocols: ["a"],
      extensions: [DEFLATE],
    });
  });

  it("encodeUpgradeRequest() refuses a bad host, target or key", () => {
    for (const host of ["", "a b", "a\r\nX: y", "a/b", "u@a", "a:65536", "::1"]) {
      assert.throws(() => text({ host }), TypeError, host);
    }
    for (const target of ["", "a", "http://a/", "/ ", "/\r\nX: y", "/\u00e9", "/#a", "*"]) {
      assert.throws(() => text({ target }), TypeError, target);
    }
    for (const key of ["", "a", "a\r\nb", KEY.slice(1), `${KEY}AAAA`]) {
      assert.throws(() => text({ key }), TypeError, key);
    }
  });

  it("encodeUpgradeRequest() refuses subprotocols that are no tokens or come twice (item 10)", () => {
    for (const bad of ["", "a b", "a,b", "caf\u00e9", "a\r\nb", "a/b"]) {
      assert.throws(() => text({ subprotocols: [bad] }), TypeError, bad);
    }
    assert.throws(() => text({ subprotocols: ["a", "b", "a"] }), TypeError);
  });

  it("encodeUpgradeRequest() refuses the handshake's own fields", () => {
    const own = [
      "Host",
      "UPGRADE",
      "connection",
      "Sec-WebSocket-Key",
      "Sec-WebSocket-Version",
      "Sec-WebSocket-Accept",
    ];
    for (
      const name of [
        ...own,
        "Sec-WebSocket-Protocol",
        "sec-websocket-extensions",
        "Content-Length",
        "Transfer-Encoding",
      ]
    ) {
      assert.throws(() => text({ headers: [[name, "a"]] }), TypeError, name);
    }
    assert.throws(() => text({ origin: "http://a", headers: [["origin", "http://b"]] }), TypeError);
  });

  it("encodeUpgradeRequest() refuses what would split the head", () => {
    for (const bad of ["a\r\nX: y", "a\n", "\r", "\0", "\u0100"]) {
      assert.throws(() => text({ origin: bad }), TypeError);
      assert.throws(() => text({ headers: [["A", bad]] }), TypeError);
      assert.throws(() => text({ headers: [[bad, "a"]] }), TypeError);
      assert.throws(() => text({ extensions: [{ name: bad, params: [] }] }), TypeError);
    }
  });
});

describe("RFC 6455, 4.1: checking the server's handshake", () => {
  type Changes = Readonly<Record<string, string | readonly string[] | null>>;

  function response(changes: Changes = {}, line: Partial<Omit<ResponseHead, "headers">> = {}): ResponseHead {
    const fields = new Map<string, string | readonly string[] | null>(Object.entries({
      "Upgrade": "websocket",
      "Connection": "Upgrade",
      "Sec-WebSocket-Accept": ACCEPT,
    }));
    for (const [name, value] of Object.entries(changes)) fields.set(name, value);
    const headers = new HeaderFields();
    for (const [name, values] of fields) {
      for (const value of values === null ? [] : [values].flat()) headers.append(name, value);
    }
    return { status: 101, reason: "Switching Protocols", minorVersion: 1, ...line, headers };
  }

  const offer = { key: KEY, subprotocols: ["chat", "superchat"], extensions: [DEFLATE] };

  function refused(
    reason: RegExp,
    head: ResponseHead,
    offered: Parameters<typeof checkUpgradeResponse>[1] = offer,
  ): void {
    const check = checkUpgradeResponse(head, offered);
    assert.ok(!check.ok, "must be refused");
    assert.match(check.reason, reason);
  }

  it("a plain answer is accepted", () => {
    assert.deepEqual(checkUpgradeResponse(response(), { key: KEY }), {
      ok: true,
      subprotocol: "",
      extensions: [],
    });
    assert.deepEqual(checkUpgradeResponse(response(), offer), { ok: true, subprotocol: "", extensions: [] });
  });

  it("what encodeUpgradeResponse() writes is accepted", () => {
    const extensions = [{
      name: "permessage-deflate",
      params: [{ name: "client_max_window_bits", value: "15" }],
    }];
    const head = new ResponseHeadReader().receive(
      encodeUpgradeResponse({ key: KEY, subprotocol: "superchat", extensions }),
    );
    assert.ok(head);
    assert.deepEqual(checkUpgradeResponse(head, offer), { ok: true, subprotocol: "superchat", extensions });
  });

  it("item 1: any status but 101 is refused, and named", () => {
    for (const status of [100, 102, 103, 200, 204, 301, 302, 401, 403, 426, 500]) {
      refused(new RegExp(`answered ${status} Why instead of 101`), response({}, { status, reason: "Why" }));
    }
    refused(/answered 404 instead/, response({}, { status: 404, reason: "" }));
    refused(/HTTP\/1\.0/, response({}, { minorVersion: 0 }));
  });

  it("item 2: Upgrade is websocket and nothing else", () => {
    assert.ok(checkUpgradeResponse(response({ Upgrade: "WebSocket" }), offer).ok);
    for (
      const Upgrade of [null, "", "h2c", "websocket, h2c", ["websocket", "websocket"], "web", "websocket\xa0"]
    ) {
      refused(/Upgrade/, response({ Upgrade }));
    }
  });

  it("item 3: Connection names upgrade", () => {
    for (const Connection of ["upgrade", "keep-alive, UPGRADE", ["keep-alive", "Upgrade"]]) {
      assert.ok(checkUpgradeResponse(response({ Connection }), offer).ok);
    }
    for (const Connection of [null, "", "keep-alive", "close", "upgraded"]) {
      refused(/Connection/, response({ Connection }));
    }
  });

  it("item 4: exactly one Sec-WebSocket-Accept, to the letter", () => {
    const swapped = ACCEPT.toLowerCase();
    for (
      const accept of [
        "",
        KEY,
        swapped,
        `${ACCEPT}=`,
        ACCEPT.slice(0, -1),
        `"${ACCEPT}"`,
        `${ACCEPT}, ${ACCEPT}`,
      ]
    ) {
      refused(/does not match the key/, response({ "Sec-WebSocket-Accept": accept }));
    }
    for (const accept of [null, [ACCEPT, ACCEPT], [ACCEPT, "x"]]) {
      refused(/exactly one/, response({ "Sec-WebSocket-Accept": accept }));
    }
    refused(/does not match the key/, response(), { key: "duR0pUQxNgBJsRQKj2Jxsw==" });
  });

  it("item 5: no extension that was not offered", () => {
    const answer = (value: string | string[]) => response({ "Sec-WebSocket-Extensions": value });
    assert.ok(checkUpgradeResponse(answer("permessage-deflate; server_no_context_takeover"), offer).ok);
    refused(/extension permessage-deflate, which was not offered/, answer("permessage-deflate"), {
      key: KEY,
    });
    refused(/not offered/, answer("permessage-deflate"), { key: KEY, extensions: [] });
    refused(/extension x,/, answer("permessage-deflate, x"));
    refused(/not offered/, answer("constructor"));
    refused(/not offered/, answer("__proto__"));
    refused(/not offered/, answer("Permessage-Deflate"));
  });

  it("item 5: a malformed or repeated Sec-WebSocket-Extensions is refused (11.3.2)", () => {
    for (const value of ["", ",", "permessage-deflate;", 'permessage-deflate; a="', "permessage deflate"]) {
      refused(/malformed/, response({ "Sec-WebSocket-Extensions": value }));
    }
    refused(
      /more than one/,
      response({ "Sec-WebSocket-Extensions": ["permessage-deflate", "permessage-deflate"] }),
    );
  });

  it("item 6: no subprotocol that was not offered", () => {
    const answer = (value: string | string[]) => response({ "Sec-WebSocket-Protocol": value });
    assert.deepEqual(checkUpgradeResponse(answer("superchat"), offer), {
      ok: true,
      subprotocol: "superchat",
      extensions: [],
    });
    for (const value of ["other", "Chat", "chat, superchat", "", "constructor", "cha", "chat\xa0"]) {
      refused(/subprotocol/, answer(value));
    }
    refused(/subprotocol "chat", which was not offered/, answer("chat"), { key: KEY });
    refused(/not offered/, answer(""), { key: KEY });
  });

  it("item 6: a repeated Sec-WebSocket-Protocol is refused (11.3.4)", () => {
    refused(/more than one/, response({ "Sec-WebSocket-Protocol": ["chat", "chat"] }));
  });
});
