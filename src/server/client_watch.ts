import type { Conn } from "../net/conn.ts";

/** Upper bound of the bytes that are read and ignored, bytes. */
const MAX_IGNORED = 1_048_576;

/** The client's side of a connection whose request is being answered. */
export interface ClientWatcher {
  /** The client ended its side of the connection. Some clients do so and still read the answer. */
  onEnd(): void;
  /** The connection is gone. */
  onGone(): void;
}

/** Reads and ignores what a client sends while it is answered, up to a bound, so that its end is seen. */
export class ClientWatch {
  /** Resolves when nothing more is read: at the client's end, at the bound, or when the connection is gone. */
  readonly done: Promise<void>;
  readonly #conn: Conn;
  readonly #watcher: ClientWatcher;

  constructor(conn: Conn, watcher: ClientWatcher) {
    this.#conn = conn;
    this.#watcher = watcher;
    this.done = this.#read();
  }

  async #read(): Promise<void> {
    try {
      for (let left = MAX_IGNORED; left > 0;) {
        const chunk = await this.#conn.readChunk();
        if (chunk === null) return this.#watcher.onEnd();
        left -= chunk.length;
      }
    } catch {
      this.#watcher.onGone();
    }
  }
}
