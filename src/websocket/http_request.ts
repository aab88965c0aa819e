import type { Conn } from "../net/conn.ts";
import { isTlsConn } from "../net/tls.ts";
import { HttpHeadError, type RequestHead, RequestHeadReader } from "../protocol/http_head.ts";
import { lazyRequest } from "./lazy_request.ts";
import { HeaderFields } from "../protocol/header_fields.ts";

/** A request's head, and what followed it. */
export interface ReceivedRequest {
  readonly head: RequestHead;
  /** Bytes that came with the head and do not belong to it. */
  readonly rest: Uint8Array;
}

/**
 * Reads the head of one request; `null` when the peer leaves before it is complete.
 *
 * @throws {HttpHeadError} with the status to answer with
 */
export async function readRequest(conn: Conn): Promise<ReceivedRequest | null> {
  const reader = new RequestHeadReader();
  for (let chunk = await conn.readChunk(); chunk !== null; chunk = await conn.readChunk()) {
    const head = reader.receive(chunk);
    if (head !== undefined) return { head, rest: reader.rest };
  }
  return null;
}

/**
 * The head as a `Request` of the web, for the application. Its scheme is the connection's; one that names no host, as
 * HTTP/1.0 may, has the connection's address for it.
 *
 * @throws {HttpHeadError} when there is no such URL, as HTTP allows hosts that the web does not, or method
 */
export function toRequest(head: RequestHead, conn: Conn): Request {
  const { method, headers } = head;
  const request = new Request(urlOf(head, conn), { method, headers: [...headers] });
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
export function toUpgradeRequest(head: RequestHead, conn: Conn): Request {
  const { method, headers } = head;
  const url = urlOf(head, conn);
  return lazyRequest(() => new Request(url, { method, headers: [...headers] }));
}

function urlOf({ target, headers }: RequestHead, conn: Conn): string {
  const scheme = isTlsConn(conn) ? "https" : "http";
  // Put together, not resolved: a path that begins with two slashes is a path.
  const url = /^https?:\/\//i.test(target)
    ? target
    : `${scheme}://${headers.get("host") ?? conn.localAddr}/${target.replace(/^\//, "")}`;
  if (!URL.canParse(url)) throw new HttpHeadError(400, "The request's URL is malformed");
  return url;
}

/** The head of a `Request`, for a handshake that begins with one. */
export function fromRequest(request: Request): RequestHead {
  const { pathname, search } = new URL(request.url);
  const { method, headers } = request;
  return { method, target: pathname + search, minorVersion: 1, headers: new HeaderFields(headers) };
}
