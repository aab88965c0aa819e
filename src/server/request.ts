import type { Addr } from "../net/addr.ts";
import { HeaderFields } from "../http/header_fields.ts";
import { HttpHeadError, type RequestHead } from "../http/head.ts";
import { lazyRequest } from "./lazy_request.ts";

/** What a request came on. */
export interface RequestOrigin {
  readonly localAddr: Addr;
  /** Whether TLS is below. */
  readonly secure: boolean;
}

/**
 * The head as a `Request` of the web, for the application. Its scheme is the connection's; one that names no host, as
 * HTTP/1.0 may, has the connection's address for it.
 *
 * @throws {HttpHeadError} when there is no such URL, as HTTP allows hosts that the web does not, or method
 */
export function toRequest(head: RequestHead, origin: RequestOrigin): Request {
  const { method, headers } = head;
  const request = new Request(urlOf(head, origin), { method, headers: [...headers] });
  // A runtime may take a method that it does not know for another: the application must not.
  if (request.method.toUpperCase() !== method.toUpperCase()) {
    throw new HttpHeadError(501, "The method is not supported");
  }
  return request;
}

/**
 * The same for a request that asks for a WebSocket, made when it is looked at.
 *
 * @throws {HttpHeadError} when there is no such URL
 */
export function toUpgradeRequest(head: RequestHead, origin: RequestOrigin): Request {
  const { method, headers } = head;
  const url = urlOf(head, origin);
  return lazyRequest(() => new Request(url, { method, headers: [...headers] }));
}

function urlOf({ target, headers }: RequestHead, { localAddr, secure }: RequestOrigin): string {
  const scheme = secure ? "https" : "http";
  // Put together, not resolved: a path that begins with two slashes is a path.
  const host = headers.get("host") ?? String(localAddr);
  const url = target.startsWith("/")
    ? `${scheme}://${host}${target}`
    : /^https?:\/\//i.test(target)
    ? target
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
