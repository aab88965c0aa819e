import type { TimerQueue } from "../net/timer_queue.ts";
import { type BatchWriter, batchWriterOf } from "../websocket/batch_writer.ts";
import type { HubSocket, MemberSocket } from "./hub_socket.ts";
import { MessageFeed } from "./message_feed.ts";

const offered: WeakMap<object, BatchWriter> = new WeakMap();

/** Makes hubs write whole batches to `writer` instead of calling `socket.send` for each message. */
export function offerBatches(socket: HubSocket, writer: BatchWriter): void {
  offered.set(socket, writer);
}

/**
 * The writer by which a hub sends to a member's socket: the socket's own where it takes batches, otherwise a
 * {@linkcode MessageFeed}.
 *
 * @throws {TypeError} when `socket` is neither a `WebSocketConn` nor has `send` and `drained`
 */
export function socketWriter(socket: MemberSocket, timers: TimerQueue): BatchWriter {
  const writer = batchWriterOf(socket) ?? offered.get(socket) ?? null;
  if (writer !== null) return writer;
  const shape = socket as Partial<HubSocket> | null | undefined;
  if (typeof shape?.send === "function" && typeof shape.drained === "function") {
    return new MessageFeed(shape as HubSocket, timers);
  }
  throw new TypeError(
    "Cannot register: socket is neither a WebSocketConn nor an object with send() and drained()",
  );
}
