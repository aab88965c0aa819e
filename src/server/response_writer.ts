import { concat } from "../bytes/concat.ts";
import type { Conn } from "../net/conn.ts";
import type { Runtime } from "../net/runtime.ts";
import { Alarm } from "../net/timer_queue.ts";
import { encodeChunk, LAST_CHUNK } from "../http/chunked.ts";
import { encodeResponseHead, statusText } from "../http/head_writer.ts";
import { BodyReader } from "./body_reader.ts";
import type { ClientSignal } from "./client_signal.ts";
import { ClientWatch, type ClientWatcher } from "./client_watch.ts";
import { PIECE, type ResponseLimits, ResponsePace } from "./response_pace.ts";

/** Upper bound of the time from the end of the answer to the client's FIN, milliseconds. */
const LINGER_TIME = 1_000;

/** Silence of a body's stream after which it is cancelled, once the client has sent FIN, milliseconds. */
const QUIET_TIME = 1_000;

/** The largest head and body that are joined into one write, bytes together. */
const MAX_JOINED = 65_536;

/** Fields that the writer sets itself; those of the response are left out. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "transfer-encoding",
]);

/** The parts of a request that its answer depends on. */
export interface AnsweredRequest {
  readonly method: string;
  readonly minorVersion: 0 | 1;
}

/** Writes one `Response` and closes the connection, so that no second request can be smuggled behind the first. */
export class ResponseWriter implements ClientWatcher {
  readonly #conn: Conn;
  readonly #runtime: Runtime;
  readonly #client: ClientSignal | null;
  readonly #pace: ResponsePace;
  readonly #watch: ClientWatch;
  /** Cancels the body of a client that seems to have left. */
  readonly #leaveAlarm = new Alarm(() => this.#drop());
  #begun = false;
  /** Whether the whole response was written. */
  #written = false;
  /** The body whose next chunk is waited for. */
  #reading: BodyReader | null = null;
  /** Whether the client sent FIN. */
  #clientEnded = false;

  /**
   * Makes a writer, which reads and ignores what the client sends from now on.
   *
   * @param limits bounds of the time in which the client takes the response
   * @param client the signal of the request, aborted when the client leaves before it has the response
   */
  constructor(conn: Conn, runtime: Runtime, limits: ResponseLimits, client: ClientSignal | null) {
    this.#conn = conn;
    this.#runtime = runtime;
    this.#client = client;
    this.#pace = new ResponsePace(runtime.timers, limits, () => this.#drop());
    this.#watch = new ClientWatch(conn, this);
  }

  /** Whether a byte of an answer may have been written, so that no other answer can be sent. */
  get begun(): boolean {
    return this.#begun;
  }

  /**
   * Writes the response and closes the connection.
   *
   * @throws {NetError} when the connection breaks
   * @throws {BodyError} when the body's stream fails
   * @throws {TypeError} when a field, the reason or a chunk of the body cannot be sent
   */
  async write(response: Response, { method, minorVersion }: AnsweredRequest): Promise<void> {
    const isEmpty = method === "HEAD" || response.status === 204 || response.status === 304;
    // Before the body: some runtimes forget the content type that a body brings once its stream was asked for.
    const fields = this.#fields(response);
    const body = new BodyReader(response);
    try {
      // Most bodies are complete at once: then the length is known, and head and body leave in one write.
      const { parts, length, complete } = await body.readAhead(this.#runtime.adapter.clock);
      const chunked = !complete && minorVersion === 1;
      if (chunked) fields.push(["transfer-encoding", "chunked"]);
      else if (complete) fields.push(...lengthField(response, length, method));
      const reason = response.statusText || statusText(response.status);
      const head = encodeResponseHead(response.status, reason, fields);
      if (isEmpty) await this.#write([head]);
      else if (!chunked) await this.#write([head, ...parts]);
      else await this.#write([head, ...encodeChunk(parts, length)]);
      if (!isEmpty && !complete) await this.#writeRest(body, chunked);
    } finally {
      // The source of the body learns that the rest is not wanted.
      body.cancel();
    }
    await this.#lingerAndClose();
  }

  /** The response's fields, with `date` and `connection` added. */
  #fields({ headers }: Response): [string, string][] {
    const fields = [...headers].filter(([name]) => !OWN_FIELDS.has(name));
    if (!headers.has("date")) fields.push(["date", new Date(this.#runtime.timers.wallNow()).toUTCString()]);
    // RFC 9110, 7.8: a sender of Upgrade lists it in Connection too.
    fields.push(["connection", headers.has("upgrade") ? "upgrade, close" : "close"]);
    return fields;
  }

  async #writeRest(body: BodyReader, chunked: boolean): Promise<void> {
    for (let part = await this.#next(body); part !== null; part = await this.#next(body)) {
      await this.#write(chunked ? encodeChunk([part], part.length) : [part]);
    }
    if (chunked) await this.#write([LAST_CHUNK]);
  }

  /** The next chunk of the body; `null` at the end, and when the client has left. */
  async #next(body: BodyReader): Promise<Uint8Array | null> {
    this.#reading = body;
    if (this.#clientEnded) this.#setLeaveAlarm();
    try {
      return await body.read();
    } finally {
      this.#reading = null;
      this.#runtime.timers.clear(this.#leaveAlarm);
    }
  }

  async #write(parts: Uint8Array[]): Promise<void> {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#begun = true;
    for (const bytes of length <= MAX_JOINED ? [concat(parts)] : parts) {
      for (let at = 0; at < bytes.length; at += PIECE) {
        await this.#writePiece(bytes.length <= PIECE ? bytes : bytes.subarray(at, at + PIECE));
      }
    }
  }

  async #writePiece(piece: Uint8Array): Promise<void> {
    this.#pace.begin();
    try {
      await this.#conn.write(piece);
      this.#pace.end(piece.length);
    } finally {
      this.#pace.stop();
    }
  }

  /**
   * The client may have left, or only ended its side as `nc -N` does: a body goes on as long as its stream does, because
   * a client that has left answers with a reset.
   */
  onEnd(): void {
    this.#clientEnded = true;
    if (this.#written) return;
    this.#client?.abort();
    if (this.#reading !== null) this.#setLeaveAlarm();
  }

  onGone(): void {
    if (!this.#written) this.#drop();
  }

  #setLeaveAlarm(): void {
    const { timers } = this.#runtime;
    timers.set(this.#leaveAlarm, timers.now() + QUIET_TIME);
  }

  /** Gives the client up: a write that waits fails, and the body is cancelled. */
  #drop(): void {
    this.#client?.abort();
    this.#conn.closeNow();
    this.#reading?.cancel();
  }

  /**
   * Sends FIN, reads until the client's FIN within bounds, then closes. Closing with bytes of the client unread would
   * make the kernel send a reset, which can destroy the answer before the client has read it.
   */
  async #lingerAndClose(): Promise<void> {
    const conn = this.#conn;
    const { timers } = this.#runtime;
    this.#written = true;
    this.#client?.settle();
    let onLate!: () => void;
    const late = new Promise<void>((resolve) => onLate = resolve);
    const alarm = new Alarm(onLate);
    timers.set(alarm, timers.now() + LINGER_TIME);
    try {
      await conn.closeWrite();
      await Promise.race([this.#watch.done, late]);
    } catch {
      // The client reset the connection: it is closed all the same.
    }
    timers.clear(alarm);
    await conn.close();
  }
}

/**
 * The `Content-Length` of an answer (RFC 9110, 8.6): none for 204 and 304; for HEAD without a body, the response's own
 * field if it has one.
 */
function lengthField(
  { status, headers, body }: Response,
  length: number,
  method: string,
): [string, string][] {
  if (status === 204 || status === 304) return [];
  const said = method === "HEAD" && body === null ? headers.get("content-length") : null;
  return [["content-length", said !== null && /^\d+$/.test(said) ? said : String(length)]];
}
