import { concat } from "../bytes/concat.ts";
import type { Conn } from "../net/conn.ts";
import type { Runtime } from "../net/runtime.ts";
import { encodeChunk, LAST_CHUNK } from "../http/chunked.ts";
import { encodeResponseHead, statusText } from "../http/head_writer.ts";
import { BodyReader } from "./body_reader.ts";

/** How long a peer may take to end after it was answered, milliseconds. */
const LINGER_TIME = 1_000;
/** What it may still send in that time, bytes. */
const LINGER_BYTES = 1_048_576;

/** Up to here a body goes with its head into one write, bytes. */
const JOIN_BELOW = 65_536;

/** What the writer sets itself. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "transfer-encoding",
]);

/** What of a request its answer depends on. */
export interface AnsweredRequest {
  readonly method: string;
  readonly minorVersion: 0 | 1;
}

/** Writes one `Response` and ends the connection: one answer a connection, so no request can hide behind another. */
export class ResponseWriter {
  readonly #conn: Conn;
  readonly #runtime: Runtime;
  readonly #timeout: number;
  #begun = false;

  /**
   * Makes one.
   *
   * @param timeout milliseconds that the peer may take for each part of the answer
   */
  constructor(conn: Conn, runtime: Runtime, timeout: number) {
    this.#conn = conn;
    this.#runtime = runtime;
    this.#timeout = timeout;
  }

  /** Whether something of an answer was written, so that there can be no other. */
  get begun(): boolean {
    return this.#begun;
  }

  /**
   * @throws {NetError} when the connection breaks
   * @throws {BodyError} when the body's stream fails
   * @throws {TypeError} when the response is one that cannot be sent
   */
  async write(response: Response, { method, minorVersion }: AnsweredRequest): Promise<void> {
    const isEmpty = method === "HEAD" || response.status === 204 || response.status === 304;
    const body = new BodyReader(response);
    try {
      // Most bodies are there at once: then their length is known, and head and body leave in one write.
      const { parts, length, complete } = await body.readAhead(this.#runtime.adapter.clock);
      const chunked = !complete && minorVersion === 1;
      const fields = this.#fields(response);
      if (chunked) fields.push(["transfer-encoding", "chunked"]);
      else if (complete) fields.push(...lengthField(response, length, method));
      const reason = response.statusText || statusText(response.status);
      const head = encodeResponseHead(response.status, reason, fields);
      if (isEmpty) await this.#write([head]);
      else if (!chunked) await this.#write([head, ...parts]);
      else await this.#write([head, ...encodeChunk(parts, length)]);
      if (!isEmpty && !complete) await this.#writeRest(body, chunked);
    } finally {
      // Whoever makes the body is told that nobody wants the rest.
      body.cancel();
    }
    await this.#lingerAndClose();
  }

  /** The response's own fields, and what every answer has. */
  #fields({ headers }: Response): [string, string][] {
    const fields = [...headers].filter(([name]) => !OWN_FIELDS.has(name));
    if (!headers.has("date")) fields.push(["date", new Date(this.#runtime.timers.now()).toUTCString()]);
    // RFC 9110, 7.8: whoever names a protocol to upgrade to says so here too.
    fields.push(["connection", headers.has("upgrade") ? "upgrade, close" : "close"]);
    return fields;
  }

  async #writeRest(body: BodyReader, chunked: boolean): Promise<void> {
    for (let part = await body.read(); part !== null; part = await body.read()) {
      await this.#write(chunked ? encodeChunk([part], part.length) : [part]);
    }
    if (chunked) await this.#write([LAST_CHUNK]);
  }

  async #write(parts: Uint8Array[]): Promise<void> {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#begun = true;
    for (const bytes of length <= JOIN_BELOW ? [concat(parts)] : parts) {
      this.#conn.setWriteDeadline(this.#runtime.timers.now() + this.#timeout);
      await this.#conn.write(bytes);
    }
  }

  /**
   * Closes so that the peer can read the answer: closing with bytes of the peer unread makes the kernel send a reset,
   * which can overtake the answer. Reads on for a moment, within bounds.
   */
  async #lingerAndClose(): Promise<void> {
    const conn = this.#conn;
    try {
      await conn.closeWrite();
      conn.setReadDeadline(this.#runtime.timers.now() + LINGER_TIME);
      for (let left = LINGER_BYTES; left > 0;) {
        const chunk = await conn.readChunk();
        if (chunk === null) break;
        left -= chunk.length;
      }
    } catch {
      // The peer went or took too long: either way it is over.
    }
    await conn.close();
  }
}

/** RFC 9110, 8.6: none where there is no body, the body's for HEAD too, where its answer knows it. */
function lengthField(
  { status, headers, body }: Response,
  length: number,
  method: string,
): [string, string][] {
  if (status === 204 || status === 304) return [];
  const said = method === "HEAD" && body === null ? headers.get("content-length") : null;
  return [["content-length", said !== null && /^\d+$/.test(said) ? said : String(length)]];
}
