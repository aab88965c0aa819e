import { CloseCode } from "../protocol/close_code.ts";
import type { MessageData } from "../websocket/message.ts";
import type { MessageBatch } from "../websocket/message_batch.ts";
import { PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubSocket } from "./member.ts";

/** A batch of this many bytes is sent without waiting for the end of the turn. */
const FLUSH_SIZE = 65536;

/** The bound of one client's queue. */
export interface QueueLimits {
  readonly maxQueuedBytes: number;
  readonly maxQueuedMessages: number;
}

/** What a client needs of its hub. */
export interface ClientOwner<Data> {
  readonly limits: QueueLimits;
  join(client: HubClient<Data>, room: string): void;
  leave(client: HubClient<Data>, room: string): void;
  /** The client has something to send at the end of the turn. */
  flushSoon(client: HubClient<Data>): void;
  /** The client's queue is full. */
  onOverflow(client: HubClient<Data>): void;
  /** The client's socket failed. */
  onBroken(client: HubClient<Data>): void;
}

/**
 * One member of a hub, with its queue. What was queued in a turn leaves in one write; while the socket is busy the
 * queue grows, up to its bound.
 */
export class HubClient<Data = unknown> {
  /** What it was registered with. */
  readonly socket: HubSocket;
  /** Whatever the application keeps with it. */
  data: Data;
  readonly #owner: ClientOwner<Data>;
  readonly #rooms = new Set<string>();
  /** Messages that wait: for the end of the turn, or for the socket. */
  #batch: MessageBatch | null = null;
  /** Messages that the socket is busy with. */
  #inFlight: MessageBatch | null = null;
  #gone = false;
  /** When the hub takes it for dead, milliseconds since the epoch; moved by each pong. */
  deadline: number = Infinity;

  /** Made by `Hub.register`. */
  constructor(owner: ClientOwner<Data>, socket: HubSocket, data: Data) {
    this.#owner = owner;
    this.socket = socket;
    this.data = data;
  }

  /** The rooms it is in. */
  get rooms(): ReadonlySet<string> {
    return this.#rooms;
  }

  /** Bytes of payload that its socket has not taken. */
  get queuedBytes(): number {
    return (this.#batch?.size ?? 0) + (this.#inFlight?.size ?? 0);
  }

  /** Messages that its socket has not taken. */
  get queuedMessages(): number {
    return (this.#batch?.count ?? 0) + (this.#inFlight?.count ?? 0);
  }

  /** Enters a room; does nothing when it is there already. */
  join(room: string): void {
    if (this.#gone || this.#rooms.has(room)) return;
    this.#rooms.add(room);
    this.#owner.join(this, room);
  }

  /** Leaves a room. */
  leave(room: string): void {
    if (this.#rooms.delete(room)) this.#owner.leave(this, room);
  }

  /**
   * Queues one message for this client alone, in order with the broadcasts that it gets.
   *
   * @returns `false` when its queue is full or it is gone
   */
  send(message: MessageData | PreparedMessage): boolean {
    return this.enqueue(message instanceof PreparedMessage ? message : new PreparedMessage(message));
  }

  /** Queues a value as JSON text. */
  sendJson(value: unknown): boolean {
    return this.send(JSON.stringify(value));
  }

  /** Queues a message: the step that a broadcast makes for each member. */
  enqueue(message: PreparedMessage): boolean {
    if (this.#gone) return false;
    const waiting = this.#batch;
    // Members that got the same messages hold the same batch: this is mostly two comparisons and a store.
    const batch = waiting === null ? message.alone : waiting.with(message);
    const { maxQueuedBytes, maxQueuedMessages } = this.#owner.limits;
    const inFlight = this.#inFlight;
    const bytes = batch.size + (inFlight === null ? 0 : inFlight.size);
    const count = batch.count + (inFlight === null ? 0 : inFlight.count);
    if (bytes > maxQueuedBytes || count > maxQueuedMessages) {
      this.#owner.onOverflow(this);
      return false;
    }
    this.#batch = batch;
    if (inFlight !== null) return true;
    if (batch.size >= FLUSH_SIZE) this.flush();
    else if (waiting === null) this.#owner.flushSoon(this);
    return true;
  }

  /** Hands the socket what waits. */
  flush(): void {
    const batch = this.#batch;
    if (batch === null || this.#inFlight !== null || this.#gone) return;
    this.#batch = null;
    const busy = this.socket.writeBatch(batch);
    if (busy === null) return;
    this.#inFlight = batch;
    busy.then(() => this.#onTaken(), () => this.#owner.onBroken(this));
  }

  #onTaken(): void {
    this.#inFlight = null;
    this.flush();
  }

  /** Forgets the queue: the hub let go of it. */
  release(): void {
    this.#gone = true;
    this.#batch = null;
    this.#inFlight = null;
    this.#rooms.clear();
  }

  /** Closes its socket, after what is queued. */
  close(code: number = CloseCode.NormalClosure, reason = ""): Promise<unknown> {
    this.flush();
    return this.socket.close(code, reason);
  }
}
