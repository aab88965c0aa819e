/**
 * Heads of HTTP/1.1 messages (RFC 9112), read from chunks and checked.
 *
 * The readers are stricter than the RFC where it allows a choice: only CRLF ends a line, and `obs-fold` is refused,
 * because a head that two parsers read differently can smuggle a request past one of them.
 */

import type { TextCodec } from "../bytes/text.ts";
import { EmptyBody } from "./empty_body.ts";
import { HeaderFields } from "./header_fields.ts";
import {
  checkContentLength,
  checkHost,
  HttpHeadError,
  parseRequestLine,
  parseStatusLine,
  readField,
  type RequestLine,
  startLineText,
  type StatusLine,
} from "./grammar.ts";

export { HttpHeadError };

/** The head of a request. */
export interface RequestHead extends RequestLine {
  /** The fields, in the order in which they came. */
  readonly headers: HeaderFields;
}

/** The head of a response. */
export interface ResponseHead extends StatusLine {
  /** The fields, in the order in which they came. */
  readonly headers: HeaderFields;
}

/** Bounds of a head. */
export interface HeadLimits {
  /** Bound of the whole head, bytes, line ends included. Default: 16 KiB. Beyond it: status 431. */
  readonly maxHeadBytes: number;
  /** Bound of the first line, bytes, without its line end. Default: 8 KiB. Beyond it: status 414. */
  readonly maxStartLineBytes: number;
  /** Bound of the number of fields. Default: 100. Beyond it: status 431. */
  readonly maxFields: number;
}

/** Reads the head of one request, and its body if that is chunked and empty. Any other body is refused. */
export class RequestHeadReader {
  readonly #reader: HeadReader<RequestLine, RequestHead>;
  /** The head, whose body is read. */
  #head: RequestHead | null = null;
  #body: EmptyBody | null = null;
  #rest: Uint8Array = NO_BYTES;

  /**
   * Makes a reader, which expects the first byte of a head.
   *
   * @param limits bounds of the head; defaults for those left out
   * @param text the runtime's text codec, which makes reading faster
   */
  constructor(limits: Partial<HeadLimits> | null = null, text: TextCodec | null = null) {
    this.#reader = new HeadReader(requestGrammar, limits, text);
  }

  /** Bytes after the head and its empty body in the chunk that completed them: a view, not a copy. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /**
   * Reads the next chunk, which may be reused after the call.
   *
   * @returns the head once it is complete, with its empty body
   * @throws {HttpHeadError} as soon as the head is known to be bad, and again in each later call
   */
  receive(chunk: Uint8Array): RequestHead | undefined {
    if (this.#body !== null) return this.#receiveBody(this.#body, chunk);
    const head = this.#reader.receive(chunk);
    if (head === undefined) return undefined;
    const { rest } = this.#reader;
    this.#rest = rest;
    if (!head.headers.has("transfer-encoding")) return head;
    this.#head = head;
    return this.#receiveBody(this.#body = new EmptyBody(), rest);
  }

  #receiveBody(body: EmptyBody, chunk: Uint8Array): RequestHead | undefined {
    if (this.#head === null) throw new Error("Cannot receive more: the head is complete");
    const rest = body.receive(chunk);
    if (rest === undefined) return undefined;
    const head = this.#head;
    this.#head = null;
    this.#rest = rest;
    return head;
  }
}

/** Reads the head of one response. */
export class ResponseHeadReader {
  readonly #reader: HeadReader<StatusLine, ResponseHead>;

  /**
   * Makes a reader, which expects the first byte of a head.
   *
   * @param limits bounds of the head; defaults for those left out
   * @param text the runtime's text codec, which makes reading faster
   */
  constructor(limits: Partial<HeadLimits> | null = null, text: TextCodec | null = null) {
    this.#reader = new HeadReader(responseGrammar, limits, text);
  }

  /** Bytes after the head in the chunk that completed it: a view, not a copy. */
  get rest(): Uint8Array {
    return this.#reader.rest;
  }

  /**
   * Reads the next chunk, which may be reused after the call.
   *
   * @returns the head once it is complete
   * @throws {HttpHeadError} as soon as the head is known to be bad, and again in each later call
   */
  receive(chunk: Uint8Array): ResponseHead | undefined {
    return this.#reader.receive(chunk);
  }
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DEL = 0x7f;
const NO_BYTES: Uint8Array = new Uint8Array(0);

const DEFAULT_LIMITS: HeadLimits = {
  maxHeadBytes: 16 * 1024,
  maxStartLineBytes: 8 * 1024,
  maxFields: 100,
};

/** The differences between heads of requests and of responses. */
interface HeadGrammar<Start, Head> {
  /** Number of empty lines that are skipped before the first line. */
  readonly emptyLines: number;
  /** Parses the first line; throws `HttpHeadError`. */
  startLine(line: string): Start;
  /** Checks the fields together and makes the head; throws `HttpHeadError`. */
  head(start: Start, headers: HeaderFields): Head;
}

/**
 * Reads a head line by line, each as soon as it is complete.
 *
 * A byte is searched for a line's end once and parsed once, however the head is cut up. Lines that lie in
 * one chunk are parsed where they are; only an incomplete line is kept.
 */
class HeadReader<Start, Head> {
  readonly #grammar: HeadGrammar<Start, Head>;
  readonly #limits: HeadLimits;
  readonly #text: TextCodec | null;
  readonly #headers = new HeaderFields();
  #start: Start | undefined;
  #emptyLines = 0;
  /** Bytes of the complete lines so far, line ends included. */
  #size = 0;
  /** The beginning of a line whose end is in a later chunk: the first `#held` bytes. */
  #partial = NO_BYTES;
  #held = 0;
  #finished = false;
  #failure: unknown;
  rest: Uint8Array = NO_BYTES;

  constructor(grammar: HeadGrammar<Start, Head>, limits: Partial<HeadLimits> | null, text: TextCodec | null) {
    this.#grammar = grammar;
    this.#text = text;
    // `??` instead of a spread, because an explicit `undefined` must not lift a bound.
    this.#limits = limits === null ? DEFAULT_LIMITS : {
      maxHeadBytes: limits.maxHeadBytes ?? DEFAULT_LIMITS.maxHeadBytes,
      maxStartLineBytes: limits.maxStartLineBytes ?? DEFAULT_LIMITS.maxStartLineBytes,
      maxFields: limits.maxFields ?? DEFAULT_LIMITS.maxFields,
    };
  }

  receive(chunk: Uint8Array): Head | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#finished) throw new Error("Cannot receive more: the head is complete");
    try {
      return this.#receive(chunk);
    } catch (error) {
      this.#failure = error;
      this.#partial = NO_BYTES;
      throw error;
    }
  }

  #receive(chunk: Uint8Array): Head | undefined {
    let from = 0;
    const text = this.#textOf(chunk);
    for (let lf = chunk.indexOf(LF); lf !== -1; lf = chunk.indexOf(LF, from)) {
      const isLast = this.#held === 0 ? this.#line(chunk, from, lf, text) : this.#heldLine(chunk, lf);
      from = lf + 1;
      // Usually no byte follows. A view is avoided then: on Bun it moves the chunk out of the engine's own heap.
      if (isLast) return this.#finish(from < chunk.length ? chunk.subarray(from) : NO_BYTES);
    }
    this.#hold(chunk, from, chunk.length);
    // At least one more byte must follow, which would pass the bound.
    if (this.#size + this.#held >= this.#limits.maxHeadBytes) throw this.#headTooLarge();
    return undefined;
  }

  /**
   * The chunk as text, up to the bound of a head, if all of it is ASCII: one character a byte. Slicing lines out of
   * this text takes a sixth of the time of building each from its bytes. `""` where the chunk cannot be used so.
   */
  #textOf(chunk: Uint8Array): string {
    if (this.#text === null || this.#held > 0) return "";
    const length = Math.min(chunk.length, this.#limits.maxHeadBytes);
    const text = this.#text.decode(chunk, 0, length);
    // Text decoded from UTF-8 is as long as its bytes only if all are ASCII.
    return text === null || text.length < length ? "" : text;
  }

  #finish(rest: Uint8Array): Head {
    this.#finished = true;
    this.#partial = NO_BYTES;
    this.rest = rest;
    return this.#grammar.head(this.#start as Start, this.#headers);
  }

  /** Copies the beginning of a line to `#partial`; throws where it is too long already. */
  #hold(chunk: Uint8Array, from: number, to: number): void {
    const held = this.#held + to - from;
    if (held === 0) return;
    if (this.#start === undefined && this.#held === 0) checkFirstByte(chunk[from]!);
    const last = chunk[to - 1];
    this.#checkLength(held, last === LF ? held - 2 : last === CR ? held - 1 : held);
    if (held > this.#partial.length) this.#growPartial(held);
    this.#partial.set(chunk.subarray(from, to), this.#held);
    this.#held = held;
  }

  #growPartial(needed: number): void {
    const room = Math.max(
      needed,
      Math.min(Math.max(256, this.#partial.length * 2), this.#limits.maxHeadBytes),
    );
    const grown = new Uint8Array(room);
    grown.set(this.#partial.subarray(0, this.#held));
    this.#partial = grown;
  }

  /** Completes and reads a line that began in an earlier chunk; true for the empty line that ends the head. */
  #heldLine(chunk: Uint8Array, lf: number): boolean {
    this.#hold(chunk, 0, lf + 1);
    const length = this.#held;
    this.#held = 0;
    return this.#line(this.#partial, 0, length - 1, "");
  }

  /** Reads one complete line; true for the empty line that ends the head. */
  #line(bytes: Uint8Array, from: number, lf: number, text: string): boolean {
    const to = lf - 1;
    if (this.#start === undefined && from < lf) checkFirstByte(bytes[from]!);
    this.#checkLength(lf + 1 - from, to - from);
    this.#size += lf + 1 - from;
    // RFC 9112, 2.2 allows a recipient to accept a bare LF as a line end; this reader refuses it.
    if (to < from || bytes[to] !== CR) {
      throw new HttpHeadError(400, "The head has a line that does not end in CRLF");
    }
    if (this.#start === undefined) return this.#startLine(bytes, from, to, text);
    if (to === from) return true;
    if (this.#headers.size >= this.#limits.maxFields) {
      throw new HttpHeadError(431, `The head has more than ${this.#limits.maxFields} fields`);
    }
    readField(bytes, from, to, text, this.#headers);
    return false;
  }

  #startLine(bytes: Uint8Array, from: number, to: number, text: string): false {
    // RFC 9112, 2.2: a server ignores at least one empty line before the request line.
    if (to === from && this.#emptyLines++ < this.#grammar.emptyLines) return false;
    this.#start = this.#grammar.startLine(startLineText(bytes, from, to, text));
    return false;
  }

  /** Throws for a line, complete or not, beyond a bound. `length` is its bytes with the line end, `text` without. */
  #checkLength(length: number, text: number): void {
    const { maxHeadBytes, maxStartLineBytes } = this.#limits;
    if (this.#start === undefined && text > maxStartLineBytes && maxStartLineBytes < maxHeadBytes) {
      throw new HttpHeadError(414, `The first line is longer than ${maxStartLineBytes} bytes`);
    }
    if (this.#size + length > maxHeadBytes) throw this.#headTooLarge();
  }

  #headTooLarge(): HttpHeadError {
    return new HttpHeadError(431, `The head is longer than ${this.#limits.maxHeadBytes} bytes`);
  }
}

const requestGrammar: HeadGrammar<RequestLine, RequestHead> = {
  emptyLines: 1,
  startLine: parseRequestLine,
  head(line, headers) {
    checkHost(line, headers);
    const length = checkContentLength(headers);
    const { method, target, minorVersion } = line;
    // RFC 9112, 6.3: either field announces a body. One in chunks may be empty; HTTP/1.0 has none (6.1).
    const coding = headers.get("transfer-encoding");
    if (length > 0 || coding !== null && (coding.toLowerCase() !== "chunked" || minorVersion === 0)) {
      throw new HttpHeadError(413, "The request has a body, which is not supported");
    }
    return { method, target, minorVersion, headers };
  },
};

const responseGrammar: HeadGrammar<StatusLine, ResponseHead> = {
  emptyLines: 0,
  startLine: parseStatusLine,
  head(line, headers) {
    checkContentLength(headers);
    return { ...line, headers };
  },
};

/** Throws at once for a byte that cannot begin a first line, such as that of a TLS record. */
function checkFirstByte(byte: number): void {
  if (byte !== CR && (byte <= SPACE || byte >= DEL)) {
    throw new HttpHeadError(400, "The head does not begin like HTTP: its first byte is not visible ASCII");
  }
}
