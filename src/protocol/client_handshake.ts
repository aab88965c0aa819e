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

/** What a `URL` has of what a WebSocket needs. */
export interface UrlLike {
  /** The scheme with its colon. */
  readonly protocol: string;
  /** An IPv6 address stands in brackets. */
  readonly hostname: string;
  /** `""` for the scheme's own. */
  readonly port: string;
  /** From the first slash on. */
  readonly pathname: string;
  /** With its question mark, or `""`. */
  readonly search: string;
  /** With its `#`; refused, as RFC 6455, 3 asks. */
  readonly hash: string;
  /** Refused: it belongs in a header. */
  readonly username: string;
  /** Refused: it belongs in a header. */
  readonly password: string;
}

/** Where a `ws:` or `wss:` URL leads (RFC 6455, 3). */
export interface WebSocketTarget {
  /** Whether TLS is used. */
  readonly secure: boolean;
  /** For connecting: an IPv6 address stands without brackets. */
  readonly hostname: string;
  /** The URL's, or the scheme's own. */
  readonly port: number;
  /** For the `Host` field: the port is left out where it is the scheme's own. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
}

/** What a client asks for; the same object checks the response. */
export interface UpgradeRequestOptions {
  /** The `Host` field. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  /** Base64 of 16 random bytes. */
  readonly key: string;
  /** The `Origin` field: the page that asks. */
  readonly origin?: string | undefined;
  /** In order of preference, each of them once. */
  readonly subprotocols?: readonly string[] | undefined;
  /** In order of preference. */
  readonly extensions?: readonly Extension[] | undefined;
  /** Further fields, such as cookies; the handshake's own are refused. */
  readonly headers?: Iterable<readonly [name: string, value: string]> | undefined;
}

/** What {@linkcode checkUpgradeResponse} found. */
export type UpgradeResponseCheck =
  | {
    readonly ok: true;
    /** `""` when the server chose none. */
    readonly subprotocol: string;
    /** All of them were offered; whether their parameters fit is the extension's affair. */
    readonly extensions: readonly Extension[];
  }
  | {
    readonly ok: false;
    /** What was wrong. */
    readonly reason: string;
  };

/** Takes a URL apart; throws `SyntaxError` on one that no WebSocket can have. */
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

/** The handshake request as bytes (RFC 6455, 4.1); throws `TypeError` on whatever it may not carry. */
export function encodeUpgradeRequest(options: UpgradeRequestOptions): Uint8Array {
  const { host, target, key, origin, subprotocols = [], extensions = [], headers = [] } = options;
  if (parseAuthority(host) === null) throw new TypeError(`Cannot send the Host ${JSON.stringify(host)}`);
  if (!isPath(target)) throw new TypeError(`Cannot send the request target ${JSON.stringify(target)}`);
  if (!isHandshakeKey(key)) {
    throw new TypeError("Cannot send a Sec-WebSocket-Key that is not 16 bytes in base64");
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
 * Checks the server's answer to an opening handshake (RFC 6455, 4.1): whatever was not asked for is refused.
 *
 * Interim responses (103 and the like) are for the caller to skip.
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

/** Browsers take `http:` and `https:` as other words for the same (WHATWG WebSockets, 3.1). */
const DEFAULT_PORTS: ReadonlyMap<string, number> = new Map([["ws:", 80], ["http:", 80], ["wss:", 443], [
  "https:",
  443,
]]);

/** What the handshake writes itself, and the fields of a body, which it has not. */
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

/** RFC 6455, 4.1, the server's response, items 1 to 4. */
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
  if (accepts.length !== 1) return "The server sent not exactly one Sec-WebSocket-Accept";
  if (accepts[0] !== acceptKey(key)) return "The server's Sec-WebSocket-Accept does not answer the key";
  return null;
}

function refuse(reason: string): UpgradeResponseCheck {
  return { ok: false, reason };
}

/** RFC 6455, 4.1, item 10: tokens, each of them once. */
function formatSubprotocols(subprotocols: readonly string[]): string {
  for (const name of subprotocols) {
    if (!isToken(name)) {
      throw new TypeError(`Cannot ask for the subprotocol ${JSON.stringify(name)}: it is no token`);
    }
  }
  if (new Set(subprotocols).size < subprotocols.length) {
    throw new TypeError("Cannot ask for a subprotocol twice");
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
