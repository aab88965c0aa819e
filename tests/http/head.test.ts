import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type HeadLimits,
  HttpHeadError,
  type RequestHead,
  RequestHeadReader,
  type ResponseHead,
  ResponseHeadReader,
} from "../../src/http/head.ts";
import { currentAdapter } from "../../adapters/runtime.ts";
import { webText } from "../../adapters/web_text.ts";
import { feedings, latin1, type Read, type Reader, readHead } from "../protocol/feed.ts";

const newRequest = (limits?: Partial<HeadLimits>) => new RequestHeadReader(limits);
const newResponse = (limits?: Partial<HeadLimits>) => new ResponseHeadReader(limits);

/** A request's head with the lines after its Host. */
const request = (...lines: string[]) => ["GET / HTTP/1.1", "Host: a", ...lines, "", ""].join("\r\n");
const response = (...lines: string[]) => [...lines, "", ""].join("\r\n");

/** Reads the same text in each feeding; all must come to the same. */
function readAll<Head extends RequestHead | ResponseHead>(
  text: string,
  newReader: () => { readonly rest: Uint8Array; receive(chunk: Uint8Array): Head | undefined },
): Read<Head> {
  let first: Read<Head> | undefined;
  for (const { name, chunks } of feedings(latin1(text))) {
    const read = readHead(newReader(), chunks);
    assert.ok(read, `${name}: no head in ${JSON.stringify(text)}`);
    first ??= read;
    const plain = ({ head, rest }: Read<Head>) => ({ ...head, headers: [...head.headers], rest });
    assert.deepEqual(plain(read), plain(first), name);
  }
  assert.ok(first);
  return first;
}

/** Each feeding must be refused with the same status. */
function refused(text: string, status: number, reader = newRequest, limits: Partial<HeadLimits> = {}): void {
  for (const { name, chunks } of feedings(latin1(text))) {
    assert.throws(
      () => readHead(reader(limits) as RequestHeadReader, chunks),
      (error) => error instanceof HttpHeadError && error.status === status,
      `${name}: ${JSON.stringify(text)}`,
    );
  }
}

const refusedResponse = (text: string) => refused(text, 400, newResponse as unknown as typeof newRequest);

describe("RFC 9112, 2.1: a message's head", () => {
  it("RequestHeadReader reads the RFC 6455 example however it is cut up", () => {
    const lines = [
      "Host: server.example.com",
      "Upgrade: websocket",
      "Origin: http://example.com",
      "X-Empty:",
    ];
    const { head, rest } = readAll(`GET /chat?a=b HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, newRequest);
    assert.equal(head.method, "GET");
    assert.equal(head.target, "/chat?a=b");
    assert.equal(head.minorVersion, 1);
    assert.deepEqual([...head.headers], [
      ["host", "server.example.com"],
      ["upgrade", "websocket"],
      ["origin", "http://example.com"],
      ["x-empty", ""],
    ]);
    assert.equal(rest.length, 0);
  });

  it("ResponseHeadReader reads a response however it is cut up", () => {
    const text = response("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Content-Length: 3") +
      "abc";
    const { head, rest } = readAll(text, newResponse);
    assert.deepEqual([head.status, head.reason, head.minorVersion], [101, "Switching Protocols", 1]);
    assert.deepEqual([...head.headers], [["upgrade", "websocket"], ["content-length", "3"]]);
    assert.deepEqual(rest, latin1("abc"));
  });

  it("RequestHeadReader hands over what follows the head, though it looks like more of it", () => {
    const { head, rest } = readAll(`${request("A: 1")}B: 2\r\n\r\n\0\xff`, newRequest);
    assert.equal(head.headers.get("b"), null);
    assert.deepEqual(rest, latin1("B: 2\r\n\r\n\0\xff"));
  });

  it("rest is a view of the last chunk, and empty until the head is complete", () => {
    const reader = new RequestHeadReader();
    assert.equal(reader.rest.length, 0);
    assert.equal(reader.receive(latin1("GET / HTTP/1.1\r\nHost: a\r\n")), undefined);
    assert.equal(reader.rest.length, 0);
    const chunk = latin1("\r\nrest");
    assert.ok(reader.receive(chunk));
    assert.equal(reader.rest.buffer, chunk.buffer);
    assert.equal(reader.rest.byteOffset, 2);
  });

  it("receive() reads only its view of a larger buffer", () => {
    const text = request("A: 1");
    const buffer = latin1(`xx${text}yy`);
    const reader = new RequestHeadReader();
    assert.ok(reader.receive(buffer.subarray(2, 2 + text.length)));
    assert.equal(reader.rest.length, 0);
  });

  it("receive() throws the same error again after a fault, and another one after the head", () => {
    const broken = new RequestHeadReader();
    let first: unknown;
    try {
      broken.receive(latin1("GET /\r\n"));
    } catch (error) {
      first = error;
    }
    assert.ok(first instanceof HttpHeadError);
    assert.throws(() => broken.receive(latin1(request())), (error) => error === first);
    const complete = new RequestHeadReader();
    complete.receive(latin1(request()));
    assert.throws(() => complete.receive(latin1(request())), /head is complete/);
  });
});

describe("RFC 9112, 2.2: line ends and empty lines", () => {
  it("one empty line before the request line is skipped", () => {
    assert.equal(readAll(`\r\n${request()}`, newRequest).head.target, "/");
  });

  it("two empty lines before the request line are refused, and any before a status line", () => {
    refused(`\r\n\r\n${request()}`, 400);
    refusedResponse("\r\nHTTP/1.1 200 OK\r\n\r\n");
  });

  it("a bare LF is no line end", () => {
    for (
      const text of [
        request().replaceAll("\r", ""),
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        request("A: 1\nB: 2"),
      ]
    ) {
      refused(text, 400);
    }
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a\n\r\n", 400);
    refusedResponse("HTTP/1.1 200 OK\n\r\n");
  });

  it("a bare CR is refused anywhere", () => {
    for (const line of ["A: b\rc", "A\rB: c", "\rA: b", "A: b\r", "A:\r b", "\r"]) {
      refused(request(line), 400);
    }
    refused("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400);
    refused("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refusedResponse("HTTP/1.1 200 O\rK\r\n\r\n");
  });

  it("whitespace before the first field is refused", () => {
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", 400);
  });
});

describe("RFC 9112, 2.3: version", () => {
  it("HTTP/1.0 and HTTP/1.1 are read", () => {
    assert.equal(readAll("GET / HTTP/1.0\r\n\r\n", newRequest).head.minorVersion, 0);
    assert.equal(readAll(request(), newRequest).head.minorVersion, 1);
    assert.equal(readAll("HTTP/1.0 200 OK\r\n\r\n", newResponse).head.minorVersion, 0);
  });

  it("other versions are refused with 505, HTTP/2's preface among them", () => {
    for (const version of ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"]) {
      refused(`GET / ${version}\r\nHost: a\r\n\r\n`, 505);
    }
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
  });

  it("what is no version is refused with 400", () => {
    for (
      const version of [
        "http/1.1",
        "HTTP/1",
        "HTTP/1.10",
        "HTTP/11.1",
        "HTTP1.1",
        "HTTP/1.1x",
        "HTTP/1,1",
        "ICE/1.0",
        "",
      ]
    ) {
      refused(`GET / ${version}\r\nHost: a\r\n\r\n`, 400);
    }
  });
});

describe("RFC 9112, 3: request line", () => {
  it("what cannot begin a line is refused at its first byte, TLS for example", () => {
    for (const byte of [0x00, 0x16, 0x20, 0x7f, 0x80, 0xff]) {
      const reader = newRequest();
      assert.throws(
        () => reader.receive(Uint8Array.of(byte)),
        (error) => error instanceof HttpHeadError && error.status === 400,
      );
    }
  });

  const line = (text: string) => `${text}\r\nHost: a\r\n\r\n`;

  it("any token is a method", () => {
    for (const method of ["GET", "POST", "get", "M-SEARCH", "__proto__", "!#$%&'*+-.^_`|~"]) {
      assert.equal(readAll(line(`${method} / HTTP/1.1`), newRequest).head.method, method);
    }
  });

  it("a method that is no token is refused", () => {
    for (const method of ["", "G(T", "GET:", "G\x00T", "G\xc9T", "\x16\x03\x01"]) {
      refused(line(`${method} / HTTP/1.1`), 400);
    }
  });

  it("parts are separated by exactly one space", () => {
    const bad = [
      "GET  / HTTP/1.1",
      "GET /  HTTP/1.1",
      "GET / HTTP/1.1 ",
      " GET / HTTP/1.1",
      "GET\t/ HTTP/1.1",
      "GET / a HTTP/1.1",
    ];
    for (
      const text of [...bad, "GET /", "GET", "GET HTTP/1.1", "GET / HTTP/1.1 x", "GET /\xa0HTTP/1.1", " "]
    ) refused(line(text), 400);
  });
});

describe("RFC 9112, 3.2: request target", () => {
  const read = (method: string, target: string, host = "a") =>
    readAll(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, newRequest).head.target;
  const bad = (method: string, target: string) =>
    refused(`${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 400);

  it("origin-form", () => {
    for (const target of ["/", "/a/b?c=d&e", "//a", "/%00", "/?", "/a?b?/c", '/|^`{}\\"<>']) {
      assert.equal(read("GET", target), target);
    }
  });

  it("absolute-form, whose host must be the Host field's", () => {
    for (const target of ["http://a/", "http://A", "https://a/b?c", "HTTP://a?b"]) {
      assert.equal(read("GET", target), target);
    }
    assert.equal(read("GET", "http://[::1]:80/", "[::1]:80"), "http://[::1]:80/");
    refused("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    for (
      const target of ["http://", "http:///", "http://u@a/", "ftp://a/", "http:/a", "ws://a/", "http://a b/"]
    ) bad("GET", target);
  });

  it("authority-form for CONNECT only, and nothing else for it", () => {
    assert.equal(read("CONNECT", "a:443"), "a:443");
    for (const target of ["/", "a", "a:", "*", "http://a/", "u@a:1", "a:65536"]) bad("CONNECT", target);
    bad("GET", "a:443");
  });

  it("asterisk-form for OPTIONS only", () => {
    assert.equal(read("OPTIONS", "*"), "*");
    assert.equal(read("OPTIONS", "/"), "/");
    bad("GET", "*");
    bad("OPTIONS", "**");
  });

  it("visible ASCII only, and no fragment", () => {
    for (const target of ["/\x00", "/\x7f", "/\xe9", "/\t", "/\x1f", "/a#b", "http://a/#b", "a", "?a"]) {
      bad("GET", target);
    }
  });

  it("exactly one Host in HTTP/1.1, at most one in HTTP/1.0", () => {
    refused("GET / HTTP/1.1\r\n\r\n", 400);
    refused(request("Host: a"), 400);
    refused(request("hOST: b"), 400);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    assert.equal(readAll("GET / HTTP/1.0\r\nHost: a\r\n\r\n", newRequest).head.headers.get("host"), "a");
  });

  it("a malformed Host is refused", () => {
    for (
      const host of [
        "",
        "a b",
        "a/b",
        "u@a",
        "a:b",
        "a:65536",
        "[::1",
        "::1",
        "a, a",
        "http://a",
        "a:1:2",
        "\xe9",
        "a?b",
        "[g::]",
        "%4",
      ]
    ) {
      refused(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400);
    }
    refused("GET / HTTP/1.0\r\nHost: a/b\r\n\r\n", 400);
  });
});

describe("RFC 9112, 4: status line", () => {
  it("a reason may be empty, left out, or hold latin1", () => {
    const read = (text: string) => readAll(response(text), newResponse).head;
    assert.deepEqual([read("HTTP/1.1 101 ").status, read("HTTP/1.1 101 ").reason], [101, ""]);
    assert.deepEqual([read("HTTP/1.1 101").status, read("HTTP/1.1 101").reason], [101, ""]);
    assert.equal(read("HTTP/1.1 404 Not  F\xf6und\t").reason, "Not  F\xf6und\t");
    assert.equal(read("HTTP/1.1 999 x").status, 999);
  });

  it("what is no status line is refused", () => {
    const bad = [
      "HTTP/2 200 OK",
      "HTTP/1.2 200 OK",
      "http/1.1 200 OK",
      "HTTP/1.1  200 OK",
      "HTTP/1.1 20 OK",
      "HTTP/1.1 2000 OK",
    ];
    for (
      const text of [
        ...bad,
        "HTTP/1.1 000 OK",
        "HTTP/1.1 20x OK",
        "HTTP/1.1",
        "",
        "OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 200 \x00",
        "HTTP/1.1 200\tOK",
      ]
    ) {
      refusedResponse(response(text));
    }
  });
});

describe("RFC 9112, 5: field lines", () => {
  const value = (line: string, name = "a") => readAll(request(line), newRequest).head.headers.get(name);

  it("whitespace around a value is dropped, inside it stays", () => {
    assert.equal(value("A:b"), "b");
    assert.equal(value("A: \t b \t c \t "), "b \t c");
    assert.equal(value("A:"), "");
    assert.equal(value("A: \t "), "");
    assert.equal(value("A::b: c"), ":b: c");
  });

  it("values are latin1", () => {
    const obsText = Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join("");
    assert.equal(value(`A: ${obsText}`), obsText);
    assert.equal(value("A: \xa0"), "\xa0");
  });

  it("whitespace before the colon is refused", () => {
    for (const line of ["A : b", "A\t: b", " A: b", "\tA: b"]) refused(request(line), 400);
    refusedResponse(response("HTTP/1.1 200 OK", "A : b"));
  });

  it("a folded line is refused (5.2)", () => {
    refused(request("A: b", " c"), 400);
    refused(request("A: b", "\tc"), 400);
    refused(request("A: b", " "), 400);
    refusedResponse(response("HTTP/1.1 200 OK", "A: b", " c"));
  });

  it("an empty name, one that is no token, and a line without a colon are refused", () => {
    for (
      const line of [
        ": b",
        ":",
        "A B: c",
        "A(: c",
        "\xe9: c",
        "A",
        "A=b",
        '"A": b',
        "A\x00: b",
        "A\x7f: b",
        "{A}: b",
      ]
    ) {
      refused(request(line), 400);
    }
  });

  it("control characters in a value are refused", () => {
    for (let code = 0; code < 0x20; code++) {
      if (code !== 9) refused(request(`A: b${String.fromCharCode(code)}c`), 400);
    }
    refused(request("A: \x00"), 400);
    refused(request("A: b\x7f"), 400);
  });

  it("names that objects inherit are names like any other", () => {
    assert.equal(value("__proto__: x", "__proto__"), "x");
    assert.equal(value("constructor: y", "constructor"), "y");
    assert.equal(value("A: x", "__proto__"), null);
    assert.equal(value("A: x", "constructor"), null);
  });
});

describe("RFC 9112, 6: a body's length", () => {
  it("a request with a body is refused with 413", () => {
    refused(request("Content-Length: 1"), 413);
    refused(request(`Content-Length: ${"9".repeat(400)}`), 413);
    refused(request("Transfer-Encoding: gzip, chunked"), 413);
    refused(request("Transfer-Encoding:"), 413);
    assert.ok(readAll(request("Content-Length: 0"), newRequest));
    assert.ok(readAll(request("Content-Length: 000"), newRequest));
  });

  it("a chunked body that is empty belongs to the head, wherever it is cut", () => {
    const whole = [request("Transfer-Encoding: Chunked"), "0\r\n\r\n", "0;a=b\r\nx: y\r\n\r\n"];
    for (const body of whole.slice(1)) {
      const text = whole[0] + body;
      for (let cut = 1; cut <= text.length; cut++) {
        const reader = new RequestHeadReader();
        const first = reader.receive(new TextEncoder().encode(text.slice(0, cut)));
        const head = first ?? reader.receive(new TextEncoder().encode(`${text.slice(cut)}rest`));
        assert.equal(head?.method, "GET");
        assert.equal(first === undefined, cut < text.length);
        assert.equal(new TextDecoder().decode(reader.rest), first === undefined ? "rest" : "");
      }
    }
  });

  it("a chunked body with data is refused with 413, a malformed one with 400, again and again", () => {
    for (
      const [body, status] of [["5\r\nhello\r\n0\r\n\r\n", 413], ["1\r\n", 413], ["x\r\n", 400]] as const
    ) {
      const reader = new RequestHeadReader();
      const text = new TextEncoder().encode(request("Transfer-Encoding: chunked") + body);
      for (const chunk of [text, new TextEncoder().encode("0\r\n\r\n")]) {
        assert.throws(() => reader.receive(chunk), { name: "HttpHeadError", status });
      }
    }
    const old = request("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0");
    refused(old, 413);
  });

  it("a length that is repeated, no number or beside a Transfer-Encoding is refused with 400", () => {
    const heads = [["Content-Length: 0", "Content-Length: 0"], ["Content-Length: 1", "content-length: 2"]];
    for (const bad of ["", "+0", "-0", "0x0", "0, 0", "1e1", "0 0", "a", "0.0", "\xb2"]) {
      heads.push([`Content-Length: ${bad}`]);
    }
    heads.push(["Transfer-Encoding: chunked", "Content-Length: 0"], [
      "Content-Length: 1",
      "Transfer-Encoding: gzip",
    ]);
    for (const lines of heads) {
      refused(request(...lines), 400);
      refusedResponse(response("HTTP/1.1 200 OK", ...lines));
    }
  });

  it("a response may have a body", () => {
    assert.ok(readAll(response("HTTP/1.1 403 Forbidden", "Content-Length: 9"), newResponse));
    assert.ok(readAll(response("HTTP/1.1 403 Forbidden", "Transfer-Encoding: chunked"), newResponse));
  });
});

describe("RFC 9112, 2.2 and RFC 6585, 5: limits", () => {
  const sizes = (text: string) => [latin1(text), ...[1, 2, 3, 100].map((n) => ({ text: latin1(text), n }))];

  /** Feeds a large head whole and in pieces of several sizes. */
  function readLarge(text: string, limits?: Partial<HeadLimits>): (number | "read")[] {
    return sizes(text).map((size) => {
      const [bytes, step] = size instanceof Uint8Array ? [size, size.length] : [size.text, size.n];
      const reader = new RequestHeadReader(limits);
      try {
        for (let at = 0; at < bytes.length; at += step) {
          if (reader.receive(bytes.slice(at, at + step))) return "read";
        }
      } catch (error) {
        assert.ok(error instanceof HttpHeadError);
        return error.status;
      }
      return 0;
    });
  }
  const all = (outcome: number | "read") => Array(5).fill(outcome);

  it("a head of 16 KiB is read, one byte more is refused with 431", () => {
    const pad = 16 * 1024 - request("A: ").length;
    assert.equal(request(`A: ${"b".repeat(pad)}`).length, 16 * 1024);
    assert.deepEqual(readLarge(request(`A: ${"b".repeat(pad)}`)), all("read"));
    assert.deepEqual(readLarge(request(`A: ${"b".repeat(pad + 1)}`)), all(431));
  });

  it("what follows the head does not count", () => {
    assert.deepEqual(readLarge(request() + "x".repeat(40_000)), all("read"));
  });

  it("the empty line before the request line does", () => {
    const text = `\r\n${request()}`;
    assert.deepEqual(readLarge(text, { maxHeadBytes: text.length }), all("read"));
    assert.deepEqual(readLarge(text, { maxHeadBytes: text.length - 1 }), all(431));
  });

  it("a request line of 8 KiB is read, one byte more is refused with 414", () => {
    const withLine = (length: number) => request().replace("/", "/".repeat(length - "GET  HTTP/1.1".length));
    assert.equal(withLine(8192).indexOf("\r\n"), 8192);
    assert.deepEqual(readLarge(withLine(8192)), all("read"));
    assert.deepEqual(readLarge(withLine(8193)), all(414));
  });

  it("100 fields are read, one more is refused with 431", () => {
    const fields = (count: number) => request(...Array(count - 1).fill("A: b"));
    assert.deepEqual(readLarge(fields(100)), all("read"));
    assert.deepEqual(readLarge(fields(101)), all(431));
  });

  it("each limit can be set, and undefined leaves its default", () => {
    for (const { chunks } of feedings(latin1(request()))) {
      assert.ok(
        readHead(newRequest({ maxHeadBytes: request().length, maxFields: 1, maxStartLineBytes: 14 }), chunks),
      );
    }
    refused(request(), 431, newRequest, { maxHeadBytes: request().length - 1 });
    refused(request(), 414, newRequest, { maxStartLineBytes: 13 });
    refused(request("A: b"), 431, newRequest, { maxFields: 1 });
    const loose = { maxHeadBytes: undefined, maxFields: undefined } as unknown as Partial<HeadLimits>;
    assert.deepEqual(readLarge(request(`A: ${"b".repeat(16 * 1024)}`), loose), all(431));
    assert.deepEqual(readLarge(request(...Array(100).fill("A: b")), loose), all(431));
  });

  it("a bound is known to be passed before the line's end comes", () => {
    const line = new RequestHeadReader();
    assert.equal(line.receive(latin1("x".repeat(8192))), undefined);
    assert.throws(() => line.receive(latin1("x")), { name: "HttpHeadError", status: 414 });
    const field = new RequestHeadReader();
    const begun = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
    assert.equal(field.receive(latin1(begun + "x".repeat(16 * 1024 - 1 - begun.length))), undefined);
    assert.throws(() => field.receive(latin1("x")), { name: "HttpHeadError", status: 431 });
  });

  it("one huge chunk without a line's end is refused at once", () => {
    assert.throws(() => new RequestHeadReader().receive(new Uint8Array(1 << 24).fill(0x61)), { status: 414 });
    assert.throws(() => new ResponseHeadReader().receive(new Uint8Array(1 << 24).fill(0x61)), {
      status: 414,
    });
  });
});

describe("RFC 9112, 2.2: a head is read in linear time", () => {
  it("a field of 2 MiB, byte by byte", () => {
    // Searching or copying from the start for each byte would touch 2 x 10^12 bytes.
    const length = 2 << 20;
    const reader = new RequestHeadReader({ maxHeadBytes: 4 << 20 });
    reader.receive(latin1("GET / HTTP/1.1\r\nHost: a\r\nA: "));
    const byte = Uint8Array.of(0x62);
    for (let i = 0; i < length; i++) reader.receive(byte);
    assert.equal(reader.receive(latin1("\r\n\r\n"))?.headers.get("a")?.length, length);
  });

  it("300,000 fields, byte by byte", () => {
    const reader = new RequestHeadReader({ maxHeadBytes: 4 << 20, maxFields: 300_001 });
    reader.receive(latin1("GET / HTTP/1.1\r\nHost: a\r\n"));
    const bytes = [...latin1("A: b\r\n")].map((byte) => Uint8Array.of(byte));
    for (let i = 0; i < 300_000; i++) for (const byte of bytes) reader.receive(byte);
    assert.equal(reader.receive(latin1("\r\n"))?.headers.size, 300_001);
  });

  it("a chunk is searched once: no byte is looked at by a second search", () => {
    let searched = 0;
    class Counted extends Uint8Array {
      override indexOf(byte: number, from = 0): number {
        const at = super.indexOf(byte, from);
        searched += (at === -1 ? this.length : at + 1) - from;
        return at;
      }
    }
    const text = request("A: b", "C: d", `E: ${"f".repeat(3000)}`);
    const reader = new RequestHeadReader();
    for (let at = 0; at < text.length; at += 7) reader.receive(new Counted(latin1(text.slice(at, at + 7))));
    assert.ok(searched <= text.length);
  });
});

/** The head with what followed it, or the status and reason of the refusal. */
function outcome<Head extends RequestHead | ResponseHead>(
  reader: Reader<Head>,
  chunks: readonly Uint8Array[],
): unknown {
  try {
    const read = readHead(reader, chunks);
    return read && { ...read.head, headers: [...read.head.headers], rest: [...read.rest] };
  } catch (error) {
    assert.ok(error instanceof HttpHeadError, String(error));
    return [error.status, error.message];
  }
}

describe("a head is the same with a TextCodec as without", () => {
  const codecs = { [`that of ${currentAdapter().name}`]: currentAdapter().text, "the web's": webText };
  const utf8 = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
  const obsText = String.fromCharCode(...Array.from({ length: 128 }, (_, i) => 128 + i));
  const BOM = utf8("\ufeff");

  const texts: [name: string, text: string][] = [
    ["ASCII alone", request("Upgrade: websocket", "X-Empty:", "X: \t a  b \t")],
    ["every byte from 0x80 to 0xff", request(`A: ${obsText}`, "B: c")],
    ["one such byte, at either end of a value", request("A: \xe9", "B: \x80c", "C: d\xff")],
    ["whole characters of UTF-8, which are not put together", request(`A: ${utf8("é€😀")}`, "B: c")],
    ["U+FFFD in UTF-8", request(`A: ${utf8("\ufffd")}`, "B: c")],
    ["half a character", request(`A: ${utf8("€").slice(0, 2)}`, `B: ${utf8("€")}`)],
    ["a byte order mark in a value", request(`A: ${BOM}b`, "B: c")],
    ["a byte order mark in front", BOM + request("A: b")],
    ["a byte order mark after the empty line that may be in front", `\r\n${BOM}${request("A: b")}`],
    ["bytes that are no UTF-8 after it", request("A: b") + obsText],
    ["whole characters after it", request("A: b") + utf8("é€😀")],
    ["half a character after it", request("A: b") + utf8("😀").slice(0, 3)],
    ["a target with such a byte", request("A: b").replace("/", "/\xe9")],
    ["a target with a whole character", request("A: b").replace("/", `/${utf8("é")}`)],
    ["a name with such a byte", request("A\xe9: b")],
    ["a name with a whole character", request(`${utf8("é")}: b`)],
    ["a control character", request("A: b\x01c")],
    ["DEL", request("A: b\x7fc")],
    ["a bare LF", request("A: b\nC: d")],
    ["a fold", request("A: b", " c")],
    ["NUL", request("A: \0")],
  ];
  for (const [name, codec] of Object.entries(codecs)) {
    for (const [what, text] of texts) {
      it(`${name}: ${what}`, () => {
        for (const { name, chunks } of feedings(latin1(text))) {
          const expected = outcome(new RequestHeadReader(), chunks.map((chunk) => chunk.slice()));
          assert.notEqual(expected, undefined);
          assert.deepEqual(outcome(new RequestHeadReader(null, codec), chunks), expected, name);
        }
      });
    }

    it(`${name}: in three pieces, of which a line or a character ends in any`, () => {
      const bytes = latin1(request(`A: ${utf8("é€")}`, `B: \xff${BOM}`, "C: d") + "\x81\x7e");
      const expected = outcome(new RequestHeadReader(), [bytes.slice()]);
      for (let i = 1; i < bytes.length; i++) {
        for (let j = i; j < bytes.length; j++) {
          const chunks = [bytes.slice(0, i), bytes.slice(i, j), bytes.slice(j)];
          assert.deepEqual(outcome(new RequestHeadReader(null, codec), chunks), expected, `${i}, ${j}`);
        }
      }
    });

    it(`${name}: a status line's reason`, () => {
      for (const reason of ["OK", "\xe9", utf8("é"), obsText]) {
        for (const { name, chunks } of feedings(latin1(response(`HTTP/1.1 200 ${reason}`, "A: b")))) {
          const expected = outcome(new ResponseHeadReader(), chunks.map((chunk) => chunk.slice()));
          assert.deepEqual(outcome(new ResponseHeadReader(null, codec), chunks), expected, name);
        }
      }
    });

    it(`${name}: with a limit near its end, in it or beyond`, () => {
      const text = request("A: b", `C: ${utf8("é")}`, "D: e");
      for (const rest of ["", "plain", utf8("€€"), "\xff\xfe"]) {
        const bytes = latin1(text + rest);
        for (let maxHeadBytes = 1; maxHeadBytes <= bytes.length + 1; maxHeadBytes++) {
          const [expected, found] = [null, codec].map((text) =>
            outcome(new RequestHeadReader({ maxHeadBytes }, text), [bytes.slice()])
          );
          assert.deepEqual(found, expected, `${maxHeadBytes}`);
          assert.equal(Array.isArray(found), maxHeadBytes < text.length);
        }
      }
    });
  }
});
