/**
 * The grammar of the lines in an HTTP/1.1 head (RFC 9112), and of the host in them (RFC 3986).
 *
 * The parsers are stricter than the RFC where it allows a choice, because a head that two parsers read differently can
 * smuggle a request past one of them.
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

/** A head that cannot be accepted. */
export class HttpHeadError extends Error {
  /** The class's name. */
  override readonly name = "HttpHeadError";
  /** Status to answer a request with: 400, 413, 414, 431, 501 or 505. */
  readonly status: number;

  /**
   * Makes an error.
   *
   * @param status status to answer a request with
   * @param message what is wrong with the head
   */
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The first line of a request. */
export interface RequestLine {
  /** Method as received; case matters (RFC 9110, 9.1). */
  readonly method: string;
  /** Target as received: a path with its query, or one of the rarer forms (RFC 9112, 3.2). */
  readonly target: string;
  /** Minor version of HTTP/1. */
  readonly minorVersion: 0 | 1;
}

/** The first line of a response. */
export interface StatusLine {
  /** Status code, 100 to 999. */
  readonly status: number;
  /** Reason phrase; may be empty. */
  readonly reason: string;
  /** Minor version of HTTP/1. */
  readonly minorVersion: 0 | 1;
}

/** A host and, where one is given, a port. */
export interface Authority {
  /** Host as written, brackets of an IPv6 address included. */
  readonly hostname: string;
  /** Port from 0 to 65535; `null` where none is given. */
  readonly port: number | null;
}

/** Splits `host` or `host:port`, as in a `Host` field (RFC 9110, 7.2); `null` for any other text. */
export function parseAuthority(text: string): Authority | null {
  const colon = text.lastIndexOf(":");
  const hasPort = colon > text.lastIndexOf("]");
  const hostname = hasPort ? text.slice(0, colon) : text;
  const digits = hasPort ? text.slice(colon + 1) : "";
  if (!HOSTNAME.test(hostname) || !PORT.test(digits) || Number(digits) > 65535) return null;
  // RFC 3986, 3.2.3: an empty port means that none is given.
  return { hostname, port: digits === "" ? null : Number(digits) };
}

// RFC 3986, 3.2.2. No two alternatives begin with the same character, so the expression never backtracks.
const HOSTNAME = /^(?:\[[0-9A-Fa-f:.]{2,}\]|(?:[\w\-.~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)$/;
const PORT = /^\d*$/;
const HTTP_VERSION = /^HTTP\/\d\.\d$/;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/;

const HTAB = 0x09;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;

/** Parses a request line, with exactly one space between its parts (RFC 9112, 3); throws `HttpHeadError`. */
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
  if (!isToken(method)) throw new HttpHeadError(400, "The request's method is not a token");
  if (!isTarget(method, target)) throw new HttpHeadError(400, "The request's target is malformed");
  return { method, target, minorVersion: version === "HTTP/1.1" ? 1 : 0 };
}

/** Whether the target has a form that the method allows (RFC 9112, 3.2). No form has a fragment. */
function isTarget(method: string, target: string): boolean {
  if (!consistsOf(target, VISIBLE_CHAR) || target.includes("#")) return false;
  if (method === "CONNECT") return typeof parseAuthority(target)?.port === "number";
  if (target === "*") return method === "OPTIONS";
  return target.startsWith("/") || absoluteAuthority(target) !== null;
}

/** The host and port of a target in absolute form; `null` for another form or a malformed host. */
function absoluteAuthority(target: string): string | null {
  if (target.startsWith("/")) return null;
  const match = /^https?:\/\/([^/?]*)/i.exec(target);
  const authority = match?.[1] ?? "";
  return parseAuthority(authority) === null ? null : authority;
}

/** Requires exactly one valid `Host`, which only HTTP/1.0 may leave out (RFC 9112, 3.2); throws `HttpHeadError`. */
export function checkHost(line: RequestLine, headers: HeaderFields): void {
  const hosts = headers.getAll("host");
  const host = hosts[0];
  if (hosts.length > 1) throw new HttpHeadError(400, "The request has more than one Host");
  if (host === undefined) {
    if (line.minorVersion === 1) throw new HttpHeadError(400, "The request has no Host");
    return;
  }
  if (parseAuthority(host) === null) throw new HttpHeadError(400, "The request's Host is malformed");
  // RFC 9112, 3.2.2: a client sends the target's host in Host too. A difference is refused, not resolved.
  const absolute = absoluteAuthority(line.target);
  if (absolute !== null && absolute.toLowerCase() !== host.toLowerCase()) {
    throw new HttpHeadError(400, "The request's Host differs from the host in its target");
  }
}

/**
 * Parses a status line (RFC 9112, 4); throws `HttpHeadError`. An absent reason phrase may lack the space before it, as
 * many servers send it.
 */
export function parseStatusLine(line: string): StatusLine {
  const match = STATUS_LINE.exec(line);
  if (match === null) throw new HttpHeadError(400, "The status line is malformed");
  return { status: Number(match[2]), reason: match[3] ?? "", minorVersion: match[1] === "1" ? 1 : 0 };
}

/**
 * The body's length in bytes, 0 without `Content-Length`. Refuses a repeated or malformed length, and one beside a
 * `Transfer-Encoding` (RFC 9112, 6.2 and 6.3); throws `HttpHeadError`.
 */
export function checkContentLength(headers: HeaderFields): number {
  const lengths = headers.getAll("content-length");
  const length = lengths[0];
  if (length === undefined) return 0;
  if (lengths.length > 1) throw new HttpHeadError(400, "The head has more than one Content-Length");
  if (!/^\d+$/.test(length)) throw new HttpHeadError(400, "The head's Content-Length is not a number");
  if (headers.has("transfer-encoding")) {
    throw new HttpHeadError(400, "The head has both a Content-Length and a Transfer-Encoding");
  }
  return Number(length);
}

/**
 * The first line as text; throws `HttpHeadError` on a control character.
 *
 * @param from position of the line's first byte
 * @param to position of the CR that ends the line
 * @param text all of `bytes` as text with one character a byte, or `""` where there is none
 */
export function startLineText(bytes: Uint8Array, from: number, to: number, text: string): string {
  for (let i = from; i < to; i++) {
    if (!is(bytes[i], VALUE_CHAR)) throw new HttpHeadError(400, "The first line has a control character");
  }
  return text === "" ? latin1(bytes, from, to) : text.slice(from, to);
}

/** Adds the field of a line `name: value` (RFC 9112, 5) to `into`; parameters as for {@linkcode startLineText}. */
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
  return new HttpHeadError(
    400,
    bytes[at] === CR ? "A field line has no colon" : "A field name is not a token",
  );
}

/** The bytes as text, one character each. In pieces, because engines limit the number of a call's arguments. */
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
