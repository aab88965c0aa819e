import type { DrainListener } from "./drain_listener.ts";
import type { MessageBatch } from "./message_batch.ts";

/** The internal door by which a hub sends through a connection. */
export interface BatchWriter {
  /**
   * Sends a batch without waiting for the end of the turn. While a message is written in parts, the batch waits for
   * the end of that message. A connection that is closing drops the batch.
   *
   * @param listener called once when more may follow, unless another listener is registered; default: none
   * @returns `null` when the socket took everything at once; `listener` when it was registered; otherwise a promise
   * for when more may follow
   */
  writeBatch(batch: MessageBatch, listener?: DrainListener): Promise<void> | DrainListener | null;
}

/** Looks into a `WebSocketConn`. That class puts the function here, so that a hub does not have to load the class. */
let look: (socket: unknown) => BatchWriter | null = () => null;

/** Sets how to look into a `WebSocketConn`; called once, by that class. */
export function setBatchWriterOf(lookInto: (socket: unknown) => BatchWriter | null): void {
  look = lookInto;
}

/** The batch writer of a `WebSocketConn` of this package; `null` for anything else. */
export function batchWriterOf(socket: unknown): BatchWriter | null {
  return look(socket);
}
