import type { Addr } from "../net/addr.ts";
import { type BatchWriter, batchWriterOf } from "../websocket/batch_writer.ts";
import type { MessageBatch } from "../websocket/message_batch.ts";
import type { DrainListener } from "../websocket/drain_listener.ts";

/** What a hub needs of a member. A `WebSocketConn` fits as it is, a `Conn` through {@linkcode ConnMember}. */
export interface HubSocket {
  /** The other end, for the application to look at. */
  readonly remoteAddr: Addr;
  /** Settles when the member is gone; must not reject. */
  readonly closed: Promise<unknown>;
  /**
   * Takes messages without waiting. A `WebSocketConn` has no such method; every other socket must have it.
   *
   * @param listener may be told when more may follow, in place of a promise: then it is what is returned
   * @returns `null` when more may follow at once, else a promise for when: until then the hub queues
   */
  writeBatch?(batch: MessageBatch, listener: DrainListener): Promise<void> | DrainListener | null;
  /** Asks for a sign of life; resolves when it comes. A member without is not pinged. */
  ping?(): Promise<unknown>;
  /** Sends what it was given, says why, and leaves. */
  close(code?: number, reason?: string): Promise<unknown>;
  /** Leaves at once. */
  closeNow(): void;
}

/**
 * What takes the batches for a member's socket.
 *
 * @throws {TypeError} when the socket is no `WebSocketConn` and has no `writeBatch`
 */
export function batchWriterOfMember(socket: HubSocket): BatchWriter {
  const writer = batchWriterOf(socket);
  if (writer !== null) return writer;
  if (typeof socket.writeBatch === "function") return socket as BatchWriter;
  throw new TypeError("Cannot register: socket is neither a WebSocketConn nor an object with writeBatch()");
}
