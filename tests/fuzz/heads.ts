/** Random heads of HTTP messages, valid and damaged. */

import type { Random } from "../bytes/random.ts";
import { latin1 } from "../protocol/feed.ts";
import { spoilBytes } from "./frames.ts";

/** A head for a server to receive. */
export function randomRequest(random: Random): Uint8Array {
  return spoiled(random, [requestLine(random), ...fields(random, REQUEST_FIELDS)]);
}

/** A head for a client to receive. */
export function randomResponse(random: Random): Uint8Array {
  return spoiled(random, [statusLine(random), ...fields(random, RESPONSE_FIELDS)]);
}

type Field = readonly [name: string, usual: string, ...others: string[]];

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

const REQUEST_FIELDS: readonly Field[] = [
  [
    "Host",
    "example.com",
    "",
    "example.com:8080",
    "example.com:",
    "example.com:65536",
    "[::1]:80",
    "[::1",
    "a b",
    "a,b",
    "user@host",
    "%41.example",
    "%zz",
    "xn--",
    "1.2.3.4.5",
    "999.1.1.1",
    "a..b",
    "-",
    "a/b",
    "exämple",
    "_",
    "~!$&'()*+,;=",
  ],
  ["Upgrade", "websocket", "WebSocket", "h2c, websocket", "h2c", "web socket", ""],
  ["Connection", "Upgrade", "keep-alive, Upgrade", "upgrade,", "close", "keep-alive", ""],
  ["Sec-WebSocket-Key", KEY, KEY.slice(1), "x" + KEY, KEY.replace("Q==", "R=="), ""],
  ["Sec-WebSocket-Version", "13", "8", "13, 8", "013", ""],
];

/** What may be there as well. */
const MORE_FIELDS: readonly Field[] = [
  ["Origin", "http://example.com", "null", "https://evil.example:443", "http://[::1]", "://", ""],
  ["Sec-WebSocket-Protocol", "chat", "chat, chat", "a, b, c", ",", "a b", "chat;q=1", ""],
  [
    "Sec-WebSocket-Extensions",
    "permessage-deflate; client_max_window_bits",
    'a; b="c"',
    'a; b="c d"',
    'a; b="',
    "a;;b",
    ", a, ,b",
    "a; b=",
    "",
  ],
  ["Content-Length", "0", "1", "00", "-1", "+0", "0x0", "1e3", "18446744073709551616", "0, 0", ""],
  ["Transfer-Encoding", "chunked", "identity", "chunked, chunked", "xchunked", ""],
  ["Cookie", "a=b; c=d", "\u00e4\u00ff", "\t", " \t x \t "],
  ["X", "y", "x".repeat(300), "x".repeat(9000), "\u0080"],
  ["Expect", "100-continue"],
];

const RESPONSE_FIELDS: readonly Field[] = [
  ["Upgrade", "websocket", "WEBSOCKET", "websocket, h2c", "h2c"],
  ["Connection", "Upgrade", "keep-alive, upgrade", "close"],
  ["Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pplmbitxaq9kygzzhzrbk+xoo=", ""],
];

const METHODS = [
  "GET",
  "GET",
  "GET",
  "HEAD",
  "POST",
  "OPTIONS",
  "CONNECT",
  "TRACE",
  "get",
  "PATCH",
  "A",
  "G@T",
  "",
];
const TARGETS = [
  "/",
  "/",
  "/a/b?c=d",
  "//a",
  "/%",
  "/\u00e4",
  "/a#b",
  "*",
  "http://example.com/",
  "HTTP://EXAMPLE.COM",
  "https://example.com:80/x",
  "http://other/",
  "http://user@example.com/",
  "example.com:443",
  "example.com",
  "ws://example.com/",
  "/" + "x".repeat(8300),
  "",
];
const VERSIONS = ["1.1", "1.1", "1.1", "1.1", "1.0", "1.2", "2.0", "0.9", "1.10", "1"];

function requestLine(random: Random): string {
  if (!random.oneIn(3)) return "GET / HTTP/1.1";
  return `${random.pick(METHODS)} ${random.pick(TARGETS)} HTTP/${random.pick(VERSIONS)}`;
}

function statusLine(random: Random): string {
  if (!random.oneIn(3)) return "HTTP/1.1 101 Switching Protocols";
  const status = random.pick(["100", "101", "200", "301", "404", "999", "000", "99", "1010", "20x"]);
  const reason = random.pick(["", " ", " OK", " \u00e4", " a b  c"]);
  return `HTTP/${random.pick(VERSIONS)} ${status}${reason}`;
}

function fields(random: Random, needed: readonly Field[]): string[] {
  const more = MORE_FIELDS.filter(() => random.oneIn(8));
  const all = [...needed, ...more].map(([name, usual, ...others]) => {
    const value = others.length > 0 && random.oneIn(12) ? random.pick(others) : usual;
    const space = random.oneIn(8) ? random.pick(["", "  ", "\t"]) : " ";
    return `${random.oneIn(8) ? name.toLowerCase() : name}:${space}${value}`;
  });
  while (random.oneIn(6)) all.push(...all.splice(random.below(all.length), 1));
  return all;
}

function spoiled(random: Random, lines: string[]): Uint8Array {
  if (random.oneIn(3)) spoilLines(random, lines);
  let text = lines.join("\r\n") + "\r\n\r\n";
  if (random.oneIn(8)) text = spoilEnds(random, text);
  if (random.oneIn(4)) text += "what follows";
  let wire = latin1(text);
  if (random.oneIn(4)) wire = spoilBytes(random, wire);
  return wire;
}

/** Doubles, loses, folds or breaks a line. */
function spoilLines(random: Random, lines: string[]): void {
  const at = random.below(lines.length);
  const line = lines[at]!;
  const other = random.pick([
    () => [line, line],
    () => [],
    () => [
      line,
      random.pick([" folded", "\tfolded", ":", ": x", "no colon", "a b: c", "a : b", "\u00e4: b"]),
    ],
    () => [line.replace(":", " :")],
    () => [line + random.pick(["\0", "\x01", "\x7f", "\r", "\n", "\rX: y", "\nX: y"])],
    () => [line, ...Array.from({ length: random.pick([90, 95, 96, 100, 130]) }, (_, i) => `X${i}: ${i}`)],
    () => [line, `Y: ${"y".repeat(random.pick([16_000, 16_384, 20_000]))}`],
    () => ["", line],
    () => [random.pick(["\x16\x03\x01", " ", "\t"]) + line],
  ]);
  lines.splice(at, 1, ...other());
}

/** One or all of the lines end otherwise. */
function spoilEnds(random: Random, text: string): string {
  const end = random.pick(["\n", "\r", "\r\r\n", "\n\r", " \r\n", "\r\n\r\n", "\n\n"]);
  if (random.oneIn(2)) return text.replaceAll("\r\n", end);
  const ends = [...text.matchAll(/\r\n/g)];
  const { index } = random.pick(ends);
  return text.slice(0, index) + end + text.slice(index + 2);
}
