import type { Conn } from "../net/conn.ts";
import { type HttpHeadError, type RequestHead, RequestHeadReader } from "../protocol/http_head.ts";
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

/** The head as a `Request` of the web, for the application. */
export function toRequest(head: RequestHead, secure: boolean): Request {
  const { method, target, headers } = head;
  const scheme = secure ? "https" : "http";
  // Put together, not resolved: a path that begins with two slashes is a path.
  const url = target.startsWith("http")
    ? target
    : `${scheme}://${headers.get("host") ?? ""}/${target.replace(/^\//, "")}`;
  return new Request(url, { method, headers: [...headers] });
}

/** The head of a `Request`, for a handshake that begins with one. */
export function fromRequest(request: Request): RequestHead {
  const { pathname, search } = new URL(request.url);
  const { method, headers } = request;
  return { method, target: pathname + search, minorVersion: 1, headers: new HeaderFields(headers) };
}

export type { HttpHeadError };
