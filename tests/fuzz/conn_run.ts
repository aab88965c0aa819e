/** A connection in memory, and the random events of a test. */

import {
  CloseError,
  DeadlineExceededError,
  type Message,
  MessageTooBigError,
  type NetError,
  ProtocolError,
} from "../../mod.ts";
import type { Random } from "../bytes/random.ts";
import { type Role, toHex } from "../protocol/wire.ts";
import { type TestConn, testConn, type TestSocket } from "../websocket/test_socket.ts";
import type { Heard } from "./frame_model.ts";

export const READ_LIMIT = 1000;
export const CLOSE_TIMEOUT = 1000;

/** Classes of errors with which a call of the application may fail. */
const ENDS = [CloseError, ProtocolError, MessageTooBigError, DeadlineExceededError];

/** One connection, and a record of its results. */
export class Run {
  readonly conn: TestConn;
  readonly role: Role;
  /** Whether the application reads before the end. */
  readonly reads: boolean;
  readonly #chunks: Uint8Array[];
  /** Pending calls. */
  calls = 0;
  readonly messages: Heard[] = [];
  readonly written: Heard[] = [];
  readonly pongs: string[] = [];
  readonly faults: string[] = [];
  #ended = false;
  isGone = false;
  left = false;

  constructor(role: Role, chunks: Uint8Array[], reads: boolean) {
    this.role = role;
    this.reads = reads;
    this.#chunks = chunks;
    this.conn = testConn(role, {
      readLimit: READ_LIMIT,
      closeTimeout: CLOSE_TIMEOUT,
      closeMinRate: Infinity,
      readBufferSize: 300,
    });
    this.#watch(this.conn.socket);
  }

  /** Checks that the connection keeps the contract of its socket. */
  #watch(socket: TestSocket): void {
    const write = socket.write.bind(socket);
    socket.write = (bytes) => {
      // A socket that was reset is gone in the next turn; until then it ignores writes.
      const { calls } = socket;
      const ended = calls.includes("close") || calls.includes("closeWrite");
      if (ended && !calls.includes("reset")) this.faults.push("a write after the end");
      return write(bytes);
    };
    for (const end of ["close", "closeWrite"] as const) {
      const call = socket[end].bind(socket);
      socket[end] = () => {
        if (socket.waiting > 0) this.faults.push(`${end} with a write under way`);
        call();
      };
    }
  }

  /** Checks that the call settles, with a result or an allowed error. */
  call(promise: Promise<unknown>): void {
    this.calls++;
    promise.catch((error) => {
      if (!ENDS.some((end) => error instanceof end)) this.faults.push(`ended with ${error}`);
    }).finally(() => this.calls--);
  }

  read(): void {
    this.call(this.conn.ws.readMessage().then((message) => void this.messages.push(heard(message))));
  }

  write(size: number, random: Random): void {
    const data = random.oneIn(2) ? "x".repeat(size) : new Uint8Array(size).fill(random.below(256));
    if (this.conn.ws.state === "open" && !this.left) this.written.push(heard({ data }));
    this.call(this.conn.ws.writeMessage(data));
  }

  pong(payload: Uint8Array): void {
    this.pongs.push(toHex(payload));
    this.call(this.conn.ws.pong(payload));
  }

  close(code: number): void {
    this.left = true;
    this.call(this.conn.ws.close(code, "leaving"));
  }

  /** Whether the socket was closed or reset: then its only remaining event is its end. */
  get #told(): boolean {
    const { calls } = this.conn.socket;
    return calls.includes("close") || calls.includes("reset");
  }

  drain(more: boolean): void {
    if (!this.#told && !this.isGone) this.conn.socket.drain(more);
  }

  /** Delivers the next chunk, unless the socket is paused, ended or gone. */
  receiveNext(): void {
    if (this.isGone || this.#told || this.#ended || this.conn.socket.paused) return;
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.conn.socket.receive(chunk);
  }

  get received(): boolean {
    return this.#chunks.length === 0;
  }

  end(): void {
    if (this.isGone || this.#told || this.#ended) return;
    this.#ended = true;
    this.conn.socket.end();
  }

  gone(error: NetError | null): void {
    if (this.isGone) return;
    this.isGone = true;
    this.conn.socket.gone(error);
  }

  /** Reports the socket's end after a close or reset, as a runtime does. */
  obey(): void {
    if (this.#told) this.gone(null);
  }
}

/** A message in a form to compare. */
export function heard({ data }: Pick<Message, "data">): Heard {
  return typeof data === "string" ? ["text", short(data)] : ["binary", short(data)];
}

/** The form of a long message, which repeats one character: this character and the length. */
function short(data: string | Uint8Array): string {
  if (data.length > 2000) return `${data[0]} ${data.length} times`;
  return typeof data === "string" ? data : toHex(data);
}
