/**
 * The grammar of the lines in an HTTP/1.1 head (RFC 9112), and of the host in them (RFC 3986).
 *
 * Stricter than the RFC asks where it allows a choice: whatever two parsers read differently can be used against one
 * of them.
 */

import {
  charClass,
  consistsOf,
  type HeaderFields,
  isToken,
  TOKEN_CHAR,
  VALUE_CHAR,
  VISIBLE_CHAR,
} from "./header_fields.ts";

/** A head that cannot be accepted; `status` is what to answer when it was a request. */
export class HttpHeadError extends Error {
  /** The class's name. */
  override readonly name = "HttpHeadError";
  /** 400, 413, 414, 431, 501 or 505. */
  readonly status: number;

  /** Says what was wrong with the head. */
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The first line of a request. */
export interface RequestLine {
  /** In upper case as a rule; compared as it is. */
  readonly method: string;
  /** As it came: a path with its query, or one of the rarer forms (RFC 9112, 3.2). */
  readonly target: string;
  /** Of HTTP/1. */
  readonly minorVersion: 0 | 1;
}

/** The first line of a response. */
export interface StatusLine {
  /** The code, of three digits. */
  readonly status: number;
  /** What the server calls it; may be empty. */
  readonly reason: string;
  /** Of HTTP/1. */
  readonly minorVersion: 0 | 1;
}

/** A host and, where one is given, a port. */
export interface Authority {
  /** As written, brackets of an IPv6 address included. */
  readonly hostname: string;
  readonly port: number | null;
}

/** Splits `host` or `host:port`, as in a `Host` field (RFC 9110, 7.2); `null` when it is neither. */
export function parseAuthority(text: string): Authority | null {
  const colon = text.lastIndexOf(":");
  const hasPort = colon > text.lastIndexOf("]");
  const hostname = hasPort ? text.slice(0, colon) : text;
  const digits = hasPort ? text.slice(colon + 1) : "";
  if (!HOSTNAME.test(hostname) || !PORT.test(digits) || Number(digits) > 65535) return null;
  // RFC 3986, 3.2.3: an empty port is no port.
  return { hostname, port: digits === "" ? null : Number(digits) };
}

// Each alternative begins with another character, so that nothing is tried twice (RFC 3986, 3.2.2).
const HOSTNAME = /^(?:\[[0-9A-Fa-f:.]{2,}\]|(?:[\w\-.~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)$/;
const PORT = /^\d*$/;
const HTTP_VERSION = /^HTTP\/\d\.\d$/;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/;

const HTAB = 0x09;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;

/** RFC 9112, 3: exactly one space between the parts. */
export function parseRequestLine(line: string): RequestLine {
  const first = line.indexOf(" ");
  const second = line.indexOf(" ", first + 1);
  const version = line.slice(second + 1);
  if (first < 0 || second < 0 || (version !== "HTTP/1.1" && !HTTP_VERSION.test(version))) {
    throw new HttpHeadError(400, "The request line is malformed");
  }
  const method = line.slice(0, first), target = line.slice(first + 1, second);
  if (version !== "HTTP/1.1" && version !== "HTTP/1.0") {
    throw new HttpHeadError(505, `The request's version is ${version} instead of HTTP/1.1`);
  }
  if (!isToken(method)) throw new HttpHeadError(400, "The request's method is no token");
  if (!isTarget(method, target)) throw new HttpHeadError(400, "The request's target is malformed");
  return { method, target, minorVersion: version === "HTTP/1.1" ? 1 : 0 };
}

/** RFC 9112, 3.2: which form a target may have. A fragment is in none of them. */
function isTarget(method: string, target: string): boolean {
  if (!consistsOf(target, VISIBLE_CHAR) || target.includes("#")) return false;
  if (method === "CONNECT") return typeof parseAuthority(target)?.port === "number";
  if (target === "*") return method === "OPTIONS";
  return target.startsWith("/") || absoluteAuthority(target) !== null;
}

/** What stands for the host in an absolute target, `null` in a target of another form. */
function absoluteAuthority(target: string): string | null {
  if (target.startsWith("/")) return null;
  const match = /^https?:\/\/([^/?]*)/i.exec(target);
  const authority = match?.[1] ?? "";
  return parseAuthority(authority) === null ? null : authority;
}

/** RFC 9112, 3.2: exactly one valid `Host`, which only HTTP/1.0 may leave out. */
export function checkHost(line: RequestLine, headers: HeaderFields): void {
  const hosts = headers.getAll("host");
  const host = hosts[0];
  if (hosts.length > 1) throw new HttpHeadError(400, "The request has more than one Host");
  if (host === undefined) {
    if (line.minorVersion === 1) throw new HttpHeadError(400, "The request has no Host");
    return;
  }
  if (parseAuthority(host) === null) throw new HttpHeadError(400, "The request's Host is malformed");
  // RFC 9112, 3.2.2 makes the target's host count; a client must send the same twice, so we ask for that.
  const absolute = absoluteAuthority(line.target);
  if (absolute !== null && absolute.toLowerCase() !== host.toLowerCase()) {
    throw new HttpHeadError(400, "The request's Host is not the one of its target");
  }
}

/** RFC 9112, 4; the space before a reason that is left out may be left out too, as many servers do. */
export function parseStatusLine(line: string): StatusLine {
  const match = STATUS_LINE.exec(line);
  if (match === null) throw new HttpHeadError(400, "The status line is malformed");
  return { status: Number(match[2]), reason: match[3] ?? "", minorVersion: match[1] === "1" ? 1 : 0 };
}

/** RFC 9112, 6.2 and 6.3: one length, of digits only, and no second way to end the body; 0 if absent. */
export function checkContentLength(headers: HeaderFields): number {
  const lengths = headers.getAll("content-length");
  const length = lengths[0];
  if (length === undefined) return 0;
  if (lengths.length > 1) throw new HttpHeadError(400, "The head has more than one Content-Length");
  if (!/^\d+$/.test(length)) throw new HttpHeadError(400, "The head's Content-Length is no number");
  if (headers.has("transfer-encoding")) {
    throw new HttpHeadError(400, "The head has both a Content-Length and a Transfer-Encoding");
  }
  return Number(length);
}

/** The first line's text; `bytes[to]` is the CR of its line end, `text` all of the bytes, or `""`. */
export function startLineText(bytes: Uint8Array, from: number, to: number, text: string): string {
  for (let i = from; i < to; i++) {
    if (!is(bytes[i], VALUE_CHAR)) throw new HttpHeadError(400, "The first line has a control character");
  }
  return text === "" ? latin1(bytes, from, to) : text.slice(from, to);
}

/** Reads `name: value` (RFC 9112, 5); the rest as for {@linkcode startLineText}. */
export function readField(
  bytes: Uint8Array,
  from: number,
  to: number,
  text: string,
  into: HeaderFields,
): void {
  let colon = from;
  while (is(bytes[colon], TOKEN_CHAR)) colon++;
  if (bytes[colon] !== COLON || colon === from) throw badFieldName(bytes, from, colon);
  let start = colon + 1;
  while (isSpace(bytes[start])) start++;
  let end = start;
  while (is(bytes[end], VALUE_CHAR)) end++;
  if (end !== to) throw new HttpHeadError(400, "A field value has a control character");
  while (end > start && isSpace(bytes[end - 1])) end--;
  if (text !== "") return into.append(text.slice(from, colon), text.slice(start, end));
  const line = latin1(bytes, from, end);
  into.append(line.slice(0, colon - from), line.slice(start - from));
}

function badFieldName(bytes: Uint8Array, from: number, at: number): HttpHeadError {
  // RFC 9112, 2.2 before the first field, 5.2 (obs-fold) after one.
  if (at === from && isSpace(bytes[at])) return new HttpHeadError(400, "A field line begins with whitespace");
  if (at === from && bytes[at] === COLON) return new HttpHeadError(400, "A field has no name");
  // RFC 9112, 5.1
  if (isSpace(bytes[at])) return new HttpHeadError(400, "A field has whitespace before its colon");
  return new HttpHeadError(400, bytes[at] === CR ? "A field line has no colon" : "A field name is no token");
}

/** The bytes as text, one character each; cut into pieces, as an engine bounds the arguments of a call. */
function latin1(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; at += 4096) {
    text += Reflect.apply(String.fromCharCode, null, bytes.subarray(at, Math.min(at + 4096, to)));
  }
  return text;
}

function is(byte: number | undefined, wanted: number): boolean {
  return byte !== undefined && ((charClass[byte] as number) & wanted) !== 0;
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === HTAB;
}
