import type { Addr } from "../net/addr.ts";
import type { MessageBatch } from "../websocket/message_batch.ts";
import type { DrainListener } from "../websocket/outgoing.ts";

/** What a hub needs of a member. A `WebSocketConn` fits as it is, a `Conn` through {@linkcode ConnMember}. */
export interface HubSocket {
  /** The other end, for the application to look at. */
  readonly remoteAddr: Addr;
  /** Settles when the member is gone; must not reject. */
  readonly closed: Promise<unknown>;
  /**
   * Takes messages without waiting.
   *
   * @param listener may be told when more may follow, in place of a promise: then it is what is returned
   * @returns `null` when more may follow at once, else a promise for when: until then the hub queues
   */
  writeBatch(batch: MessageBatch, listener: DrainListener): Promise<void> | DrainListener | null;
  /** Asks for a sign of life; resolves when it comes. A member without is not pinged. */
  ping?(): Promise<unknown>;
  /** Sends what it was given, says why, and leaves. */
  close(code?: number, reason?: string): Promise<unknown>;
  /** Leaves at once. */
  closeNow(): void;
}
