/** The client's side of the opening handshake (RFC 6455, 4.1). */

import { acceptKey, isHandshakeKey } from "./accept_key.ts";
import {
  consistsOf,
  type Extension,
  formatExtensionList,
  isToken,
  listIncludes,
  parseExtensionList,
  VISIBLE_CHAR,
} from "../http/header_fields.ts";
import { parseAuthority } from "../http/grammar.ts";
import type { ResponseHead } from "../http/head.ts";
import { encodeRequestHead } from "../http/head_writer.ts";

/** The parts of a `URL` that a WebSocket uses. */
export interface UrlLike {
  /** Scheme with its colon. */
  readonly protocol: string;
  /** Host; an IPv6 address is in brackets. */
  readonly hostname: string;
  /** Port; `""` for the scheme's default. */
  readonly port: string;
  /** Path, with its first slash. */
  readonly pathname: string;
  /** Query with its question mark, or `""`. */
  readonly search: string;
  /** Fragment with its `#`, or `""`; a fragment is refused (RFC 6455, 3). */
  readonly hash: string;
  /** User name; refused unless `""`, because it belongs in an `Authorization` header. */
  readonly username: string;
  /** Password; refused unless `""`, because it belongs in an `Authorization` header. */
  readonly password: string;
}

/** Target of a `ws:` or `wss:` URL (RFC 6455, 3). */
export interface WebSocketTarget {
  /** Whether TLS is used. */
  readonly secure: boolean;
  /** Host to connect to; an IPv6 address is without brackets. */
  readonly hostname: string;
  /** Port of the URL, or the scheme's default. */
  readonly port: number;
  /** Value of the `Host` field, without the port where it is the scheme's default. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
}

/** Options of an opening handshake, for its request and for the check of its response. */
export interface UpgradeRequestOptions {
  /** The `Host` field. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  /** Value of `Sec-WebSocket-Key`: 16 random bytes in base64. */
  readonly key: string;
  /** The `Origin` field: the page that opens the connection. */
  readonly origin?: string | undefined;
  /** Subprotocols, the preferred one first, each of them once. */
  readonly subprotocols?: readonly string[] | undefined;
  /** Extensions, the preferred one first. */
  readonly extensions?: readonly Extension[] | undefined;
  /** Further fields, such as cookies; fields that the handshake sets are refused. */
  readonly headers?: Iterable<readonly [name: string, value: string]> | undefined;
}

/** Result of {@linkcode checkUpgradeResponse}. */
export type UpgradeResponseCheck =
  | {
    readonly ok: true;
    /** The chosen subprotocol; `""` for none. */
    readonly subprotocol: string;
    /** The chosen extensions, all of which were offered. Their parameters are for the extension to check. */
    readonly extensions: readonly Extension[];
  }
  | {
    readonly ok: false;
    /** Fault of the response, in words. */
    readonly reason: string;
  };

/** Parses the URL of a WebSocket (RFC 6455, 3); throws `SyntaxError` for any other URL. */
export function parseWebSocketUrl(url: UrlLike): WebSocketTarget {
  const defaultPort = DEFAULT_PORTS.get(url.protocol);
  if (defaultPort === undefined) {
    throw new SyntaxError(`Cannot connect: the URL's scheme is "${url.protocol}" instead of "ws:" or "wss:"`);
  }
  if (url.hash !== "") throw new SyntaxError("Cannot connect: the URL has a fragment");
  if (url.username !== "" || url.password !== "") {
    throw new SyntaxError(
      "Cannot connect: the URL has a user name or password, which belong in an Authorization header",
    );
  }
  const port = url.port === "" ? defaultPort : Number(url.port);
  const host = port === defaultPort ? url.hostname : `${url.hostname}:${port}`;
  const target = (url.pathname === "" ? "/" : url.pathname) + url.search;
  if (parseAuthority(host) === null) throw new SyntaxError("Cannot connect: the URL's host is malformed");
  if (!isPath(target)) throw new SyntaxError("Cannot connect: the URL's path is malformed");
  return { secure: defaultPort === 443, hostname: withoutBrackets(url.hostname), port, host, target };
}

/** The handshake request as bytes (RFC 6455, 4.1); throws `TypeError` for an option that cannot be sent. */
export function encodeUpgradeRequest(options: UpgradeRequestOptions): Uint8Array {
  const { host, target, key, origin, subprotocols = [], extensions = [], headers = [] } = options;
  if (parseAuthority(host) === null) {
    throw new TypeError(`Cannot send the Host ${JSON.stringify(host)}: it is malformed`);
  }
  if (!isPath(target)) {
    throw new TypeError(`Cannot send the request target ${JSON.stringify(target)}: it is malformed`);
  }
  if (!isHandshakeKey(key)) {
    throw new TypeError("Cannot send the Sec-WebSocket-Key: it is not 16 bytes in base64");
  }
  const fields: (readonly [string, string])[] = [
    ["Host", host],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", key],
    ["Sec-WebSocket-Version", "13"],
  ];
  if (origin !== undefined) fields.push(["Origin", origin]);
  if (subprotocols.length > 0) fields.push(["Sec-WebSocket-Protocol", formatSubprotocols(subprotocols)]);
  if (extensions.length > 0) fields.push(["Sec-WebSocket-Extensions", formatExtensionList(extensions)]);
  for (const field of headers) fields.push(checkHeader(field, origin !== undefined));
  return encodeRequestHead("GET", target, fields);
}

/**
 * Checks the server's response to an opening handshake (RFC 6455, 4.1). A subprotocol or extension that was not offered
 * is refused.
 *
 * The caller skips interim responses, such as 103, before.
 */
export function checkUpgradeResponse(
  head: ResponseHead,
  offer: Pick<UpgradeRequestOptions, "key" | "subprotocols" | "extensions">,
): UpgradeResponseCheck {
  const fault = findFault(head, offer.key);
  if (fault !== null) return refuse(fault);
  const { headers } = head;
  const subprotocols = headers.getAll("sec-websocket-protocol");
  const [subprotocol = ""] = subprotocols;
  // RFC 6455, 11.3.4
  if (subprotocols.length > 1) return refuse("The server sent more than one Sec-WebSocket-Protocol");
  if (subprotocols.length === 1 && !offer.subprotocols?.includes(subprotocol)) {
    return refuse(`The server chose the subprotocol ${JSON.stringify(subprotocol)}, which was not offered`);
  }
  // RFC 6455, 11.3.2
  const lists = headers.getAll("sec-websocket-extensions");
  if (lists.length > 1) return refuse("The server sent more than one Sec-WebSocket-Extensions");
  const extensions = lists[0] === undefined ? [] : parseExtensionList(lists[0]);
  if (extensions === null || extensions.length < lists.length) {
    return refuse("The server sent a malformed Sec-WebSocket-Extensions");
  }
  const unasked = extensions.find(({ name }) => !offer.extensions?.some((offered) => offered.name === name));
  if (unasked !== undefined) {
    return refuse(`The server chose the extension ${unasked.name}, which was not offered`);
  }
  return { ok: true, subprotocol, extensions };
}

/** Default port of each scheme. `http:` and `https:` stand for `ws:` and `wss:` (WHATWG WebSockets, 3.1). */
const DEFAULT_PORTS: ReadonlyMap<string, number> = new Map([["ws:", 80], ["http:", 80], ["wss:", 443], [
  "https:",
  443,
]]);

/** Fields that the handshake sets itself, and those of a body, which the request does not have. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "host",
  "upgrade",
  "connection",
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-accept",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
  "content-length",
  "transfer-encoding",
]);

/** The first fault of a response against RFC 6455, 4.1, items 1 to 4 of the response; `null` without a fault. */
function findFault(head: ResponseHead, key: string): string | null {
  const { status, reason, headers } = head;
  if (status !== 101) return `The server answered ${status}${reason && ` ${reason}`} instead of 101`;
  if (head.minorVersion !== 1) return "The server answered in HTTP/1.0 instead of HTTP/1.1";
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return "The server's Upgrade header is not websocket";
  }
  if (!listIncludes(headers.get("connection") ?? "", "upgrade")) {
    return "The server's Connection header does not name upgrade";
  }
  const accepts = headers.getAll("sec-websocket-accept");
  if (accepts.length !== 1) return "The server did not send exactly one Sec-WebSocket-Accept";
  if (accepts[0] !== acceptKey(key)) return "The server's Sec-WebSocket-Accept does not match the key";
  return null;
}

function refuse(reason: string): UpgradeResponseCheck {
  return { ok: false, reason };
}

/** The value of `Sec-WebSocket-Protocol`: tokens, each once (RFC 6455, 4.1, item 10); otherwise throws `TypeError`. */
function formatSubprotocols(subprotocols: readonly string[]): string {
  for (const name of subprotocols) {
    if (!isToken(name)) {
      throw new TypeError(`Cannot offer the subprotocol ${JSON.stringify(name)}: it is not a token`);
    }
  }
  if (new Set(subprotocols).size < subprotocols.length) {
    throw new TypeError("Cannot offer a subprotocol twice");
  }
  return subprotocols.join(", ");
}

function checkHeader(
  field: readonly [name: string, value: string],
  hasOrigin: boolean,
): readonly [string, string] {
  const name = field[0].toLowerCase();
  if (OWN_FIELDS.has(name) || hasOrigin && name === "origin") {
    throw new TypeError(`Cannot add the header ${field[0]}: the handshake sets it`);
  }
  return field;
}

function isPath(target: string): boolean {
  return target.startsWith("/") && !target.includes("#") && consistsOf(target, VISIBLE_CHAR);
}

function withoutBrackets(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}
