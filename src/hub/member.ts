import type { Addr } from "../net/addr.ts";
import type { MessageBatch } from "../websocket/message_batch.ts";

/** What a hub needs of a member. A `WebSocketConn` fits as it is, a `Conn` through {@linkcode ConnMember}. */
export interface HubSocket {
  /** The other end, for the application to look at. */
  readonly remoteAddr: Addr;
  /** Settles when the member is gone; must not reject. */
  readonly closed: Promise<unknown>;
  /**
   * Takes messages without waiting.
   *
   * @returns `null` when more may follow at once, else a promise for when: until then the hub queues
   */
  writeBatch(batch: MessageBatch): Promise<void> | null;
  /** Asks for a sign of life; resolves when it comes. A member without is not pinged. */
  ping?(): Promise<unknown>;
  /** Sends what it was given, says why, and leaves. */
  close(code?: number, reason?: string): Promise<unknown>;
  /** Leaves at once. */
  closeNow(): void;
}
