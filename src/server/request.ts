import type { Addr } from "../net/addr.ts";
import { HeaderFields } from "../http/header_fields.ts";
import { HttpHeadError, type RequestHead } from "../http/head.ts";
import type { ClientSignal } from "./client_signal.ts";
import { lazyRequest } from "./lazy_request.ts";

/** The connection of a request. */
export interface RequestOrigin {
  readonly localAddr: Addr;
  /** Whether the connection is under TLS. */
  readonly secure: boolean;
  /** The signal of the request. */
  readonly client: ClientSignal;
}

/**
 * The head as a `Request`, for the application. The scheme is that of the connection; the host of an HTTP/1.0 request
 * without `Host` is the local address.
 *
 * @throws {HttpHeadError} when `URL` does not accept the host, or `Request` does not support the method
 */
export function toRequest(head: RequestHead, origin: RequestOrigin): Request {
  const { method, headers } = head;
  const { signal } = origin.client;
  const request = new Request(urlOf(head, origin), { method, headers: [...headers], signal });
  // A runtime may replace a method that it does not know; the application must not see another one.
  if (request.method.toUpperCase() !== method.toUpperCase()) {
    throw new HttpHeadError(501, "The method is not supported");
  }
  return request;
}

/**
 * The head of an upgrade request as a `Request` that is created lazily; see {@linkcode lazyRequest}.
 *
 * @throws {HttpHeadError} when `URL` does not accept the host
 */
export function toUpgradeRequest(head: RequestHead, origin: RequestOrigin): Request {
  const { method, headers } = head;
  const url = urlOf(head, origin);
  const { client } = origin;
  return lazyRequest(() => new Request(url, { method, headers: [...headers], signal: client.signal }));
}

function urlOf({ target, headers }: RequestHead, { localAddr, secure }: RequestOrigin): string {
  const scheme = secure ? "https" : "http";
  // Joined as text: resolving against a base would take a path that begins with two slashes for a host.
  const host = headers.get("host") ?? withoutZone(String(localAddr));
  // The scheme of a target in absolute form is the client's word: the connection says whether it is under TLS.
  const absolute = /^https?:(\/\/.*)/i.exec(target)?.[1];
  const url = target.startsWith("/")
    ? `${scheme}://${host}${target}`
    : absolute !== undefined
    ? `${scheme}:${absolute}`
    : `${scheme}://${host}/${target}`;
  if (!URL.canParse(url)) throw new HttpHeadError(400, "The request's URL is malformed");
  return url;
}

/** The head of a `Request`, for a handshake that begins with one. */
export function fromRequest(request: Request): RequestHead {
  const { pathname, search } = new URL(request.url);
  const { method, headers } = request;
  return { method, target: pathname + search, minorVersion: 1, headers: new HeaderFields(headers) };
}

/** The zone of an IPv6 address means nothing outside this machine, and no URL may hold one. */
function withoutZone(address: string): string {
  return address.replace(/%[^\]]*/, "");
}
