/** The server's side of the opening handshake (RFC 6455, 4.2). */

import { encodeLatin1 } from "../bytes/latin1.ts";
import { acceptKey, isHandshakeKey } from "./accept_key.ts";
import {
  type Extension,
  formatExtensionList,
  isToken,
  listIncludes,
  parseExtensionList,
  parseTokenList,
} from "../http/header_fields.ts";
import { parseAuthority } from "../http/grammar.ts";
import type { RequestHead } from "../http/head.ts";
import { responseHeadText, statusText } from "../http/head_writer.ts";

/** A valid opening handshake, and what the client offers in it. */
export interface UpgradeRequest {
  /** Tells a valid handshake from an {@linkcode UpgradeRefusal}. */
  readonly ok: true;
  /** Value of `Sec-WebSocket-Key`, for {@linkcode encodeUpgradeResponse}. */
  readonly key: string;
  /** Subprotocols, the client's preferred one first, each of them once. */
  readonly subprotocols: readonly string[];
  /** Extensions, the client's preferred one first; a name may occur with several sets of parameters. */
  readonly extensions: readonly Extension[];
}

/** The refusal of an invalid handshake. */
export interface UpgradeRefusal {
  /** Tells a refusal from a valid {@linkcode UpgradeRequest}. */
  readonly ok: false;
  /** Status of the response. */
  readonly status: number;
  /** Fault of the request in words, for the response's body. */
  readonly reason: string;
  /** Fields that the response must have with this status. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Result of {@linkcode checkUpgradeRequest}. */
export type UpgradeRequestCheck = UpgradeRequest | UpgradeRefusal;

/** Options of the 101 response. */
export interface UpgradeResponseOptions {
  /** The request's `Sec-WebSocket-Key`. */
  readonly key: string;
  /** The chosen subprotocol; `""` for none. */
  readonly subprotocol?: string | undefined;
  /** The chosen extensions, with their parameters. */
  readonly extensions?: readonly Extension[] | undefined;
  /** Further fields, such as cookies; fields that the handshake sets are refused. */
  readonly headers?: Iterable<readonly [name: string, value: string]> | undefined;
}

/**
 * Whether the request asks for a WebSocket. {@linkcode checkUpgradeRequest} says whether it is a valid handshake.
 *
 * Always false for HTTP/1.0, in which `Upgrade` is ignored (RFC 9110, 7.8).
 */
export function isUpgradeRequest(head: RequestHead): boolean {
  return head.minorVersion === 1 && hasMember(head, "connection", "upgrade") &&
    hasMember(head, "upgrade", "websocket");
}

/** Checks a client's opening handshake (RFC 6455, 4.2.1), except for its origin. */
export function checkUpgradeRequest(head: RequestHead): UpgradeRequestCheck {
  return checkRequest(head) ?? checkUpgradeFields(head) ?? readOffer(head);
}

/** The first of the server's subprotocols that the client offers; `""` for none (RFC 6455, 4.2.2, item 4). */
export function selectSubprotocol(requested: Iterable<string>, supported: readonly string[]): string {
  if (supported.length === 0) return "";
  const offered = new Set(requested);
  return supported.find((subprotocol) => offered.has(subprotocol)) ?? "";
}

/**
 * Whether the connection was opened by a page of the request's own host (RFC 6455, 10.2), or without a page.
 *
 * Schemes are not compared, because a proxy may have terminated TLS. A port that is left out is the default of the
 * origin's scheme.
 *
 * @param origin value of the `Origin` field; `null` if absent
 * @param host value of the `Host` field
 */
export function sameOriginHost(origin: string | null, host: string): boolean {
  if (origin === null) return true;
  const match = ORIGIN.exec(origin);
  const theirs = parseAuthority(match?.[2] ?? "");
  const ours = parseAuthority(host);
  if (theirs === null || ours === null) return false;
  const defaultPort = DEFAULT_PORTS.get(match?.[1]?.toLowerCase() ?? "") ?? null;
  return theirs.hostname.toLowerCase() === ours.hostname.toLowerCase() &&
    (theirs.port ?? defaultPort) === (ours.port ?? defaultPort);
}

/** The 101 response as bytes (RFC 6455, 4.2.2, item 5); throws `TypeError` for a field that cannot be sent. */
export function encodeUpgradeResponse(options: UpgradeResponseOptions): Uint8Array {
  return encodeLatin1(upgradeResponseText(options));
}

/**
 * The 101 response as text, one character a byte, for a caller that writes it into a buffer of its own; throws
 * `TypeError` for a field that cannot be sent.
 */
export function upgradeResponseText(options: UpgradeResponseOptions): string {
  const { key, subprotocol = "", extensions = NOTHING, headers = NOTHING } = options;
  if (subprotocol === "" && extensions === NOTHING && headers === NOTHING) {
    // The usual response: only the key differs from one to the next.
    return `${PLAIN_HEAD}${acceptKey(key)}\r\n\r\n`;
  }
  const fields: (readonly [string, string])[] = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", acceptKey(key)],
  ];
  if (subprotocol !== "") fields.push(["Sec-WebSocket-Protocol", checkSubprotocol(subprotocol)]);
  if (extensions.length > 0) fields.push(["Sec-WebSocket-Extensions", formatExtensionList(extensions)]);
  for (const field of headers) {
    if (OWN_FIELDS.has(field[0].toLowerCase())) {
      throw new TypeError(`Cannot add the header ${field[0]}: the handshake sets it`);
    }
    fields.push(field);
  }
  return responseHeadText(101, statusText(101), fields);
}

const NOTHING: readonly never[] = [];

const ORIGIN = /^([a-z][a-z0-9+.\-]*):\/\/([^/]*)$/i;
const DEFAULT_PORTS: ReadonlyMap<string, number> = new Map([["http", 80], ["ws", 80], ["https", 443], [
  "wss",
  443,
]]);

/** Fields that the handshake sets itself, and those of a body, which a 101 does not have (RFC 9110, 8.6; 9112, 6.1). */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "upgrade",
  "connection",
  "sec-websocket-accept",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
  "content-length",
  "transfer-encoding",
]);

/** Fields of a 426: the protocol to upgrade to (RFC 9110, 15.5.22), and the `Connection` that 7.8 requires with it. */
const UPGRADE_FIELDS = [["Upgrade", "websocket"], ["Connection", "Upgrade"]] as const;

/** Checks method, version and `Host` (RFC 6455, 4.2.1, items 1 and 2); `null` if they are valid. */
function checkRequest(head: RequestHead): UpgradeRefusal | null {
  if (head.method !== "GET") {
    return refuse(405, `The method is ${head.method} instead of GET`, [["Allow", "GET"]]);
  }
  // 400 instead of 426, because Upgrade in a response means nothing to an HTTP/1.0 client (RFC 9110, 7.8).
  if (head.minorVersion !== 1) return refuse(400, "The request is HTTP/1.0 instead of HTTP/1.1");
  if (head.headers.getAll("host").length !== 1) {
    return refuse(400, "The request does not have exactly one Host");
  }
  return null;
}

/** Checks the fields that ask for the upgrade (RFC 6455, 4.2.1, items 3 to 6); `null` if they are valid. */
function checkUpgradeFields(head: RequestHead): UpgradeRefusal | null {
  if (!hasMember(head, "upgrade", "websocket")) {
    return refuse(426, "The Upgrade header does not name websocket", UPGRADE_FIELDS);
  }
  if (!hasMember(head, "connection", "upgrade")) {
    return refuse(400, "The Connection header does not name upgrade");
  }
  const keys = head.headers.getAll("sec-websocket-key");
  if (keys.length !== 1) return refuse(400, "The request does not have exactly one Sec-WebSocket-Key");
  if (!isHandshakeKey(keys[0]!)) return refuse(400, "The Sec-WebSocket-Key is not 16 bytes in base64");
  if (head.headers.get("sec-websocket-version") !== "13") {
    // RFC 6455, 4.4: the response lists the versions that the server supports.
    return refuse(426, "The Sec-WebSocket-Version is not 13", [...UPGRADE_FIELDS, [
      "Sec-WebSocket-Version",
      "13",
    ]]);
  }
  return null;
}

/** Reads the client's subprotocols and extensions (RFC 6455, 4.2.1, items 8 and 9). */
function readOffer(head: RequestHead): UpgradeRequestCheck {
  const subprotocols = readList(head, "sec-websocket-protocol", parseTokenList);
  if (subprotocols === null) return refuse(400, "The Sec-WebSocket-Protocol header is malformed");
  // RFC 6455, 4.1, item 10
  if (subprotocols.length > 1 && new Set(subprotocols).size < subprotocols.length) {
    return refuse(400, "The Sec-WebSocket-Protocol header names a subprotocol twice");
  }
  const extensions = readList(head, "sec-websocket-extensions", parseExtensionList);
  if (extensions === null) return refuse(400, "The Sec-WebSocket-Extensions header is malformed");
  return { ok: true, key: head.headers.get("sec-websocket-key") ?? "", subprotocols, extensions };
}

/**
 * The elements of a list that may be spread over several fields: none without a field, `null` for a malformed list. A
 * field without elements is taken for an absent one, as some clients and proxies send it.
 */
function readList<T>(
  head: RequestHead,
  name: string,
  parse: (value: string) => T[] | null,
): readonly T[] | null {
  const value = head.headers.get(name);
  return value === null ? NOTHING : parse(value);
}

function hasMember(head: RequestHead, name: string, member: string): boolean {
  const value = head.headers.get(name);
  return value !== null && listIncludes(value, member);
}

function refuse(status: number, reason: string, headers: UpgradeRefusal["headers"] = []): UpgradeRefusal {
  return { ok: false, status, reason, headers };
}

function checkSubprotocol(subprotocol: string): string {
  if (!isToken(subprotocol)) {
    throw new TypeError(`Cannot choose the subprotocol ${JSON.stringify(subprotocol)}: it is not a token`);
  }
  return subprotocol;
}

const PLAIN_HEAD = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Accept: ";
