/**
 * Heads of HTTP/1.1 messages (RFC 9112), read from chunks and checked.
 *
 * Stricter than the RFC asks where it allows a choice: a line ends in CRLF and nothing else, and there is no
 * `obs-fold`, because whatever two parsers read differently can be used against one of them.
 */

import type { TextCodec } from "../bytes/text.ts";
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

/** How large a head may be. */
export interface HeadLimits {
  /** Bytes of the whole head, its line ends included. Default 16 KiB; beyond it, status 431. */
  readonly maxHeadBytes: number;
  /** Bytes of the first line, without its end. Default 8 KiB; beyond it, status 414. */
  readonly maxStartLineBytes: number;
  /** Number of fields. Default 100; beyond it, status 431. */
  readonly maxFields: number;
}

/** Reads the head of one request. */
export class RequestHeadReader {
  readonly #reader: HeadReader<RequestLine, RequestHead>;

  /**
   * Begins with the first byte of a head.
   *
   * @param text makes it faster, where the runtime's own is given
   */
  constructor(limits: Partial<HeadLimits> | null = null, text: TextCodec | null = null) {
    this.#reader = new HeadReader(requestGrammar, limits, text);
  }

  /** What followed the head in the chunk that ended it: a view, no copy. */
  get rest(): Uint8Array {
    return this.#reader.rest;
  }

  /**
   * Takes the next chunk; gives the head when it is complete. The chunk may be used again after the call.
   *
   * Throws `HttpHeadError` as soon as the head is known to be bad, and again in each later call.
   */
  receive(chunk: Uint8Array): RequestHead | undefined {
    return this.#reader.receive(chunk);
  }
}

/** Reads the head of one response. */
export class ResponseHeadReader {
  readonly #reader: HeadReader<StatusLine, ResponseHead>;

  /**
   * Begins with the first byte of a head.
   *
   * @param text makes it faster, where the runtime's own is given
   */
  constructor(limits: Partial<HeadLimits> | null = null, text: TextCodec | null = null) {
    this.#reader = new HeadReader(responseGrammar, limits, text);
  }

  /** What followed the head in the chunk that ended it: a view, no copy. */
  get rest(): Uint8Array {
    return this.#reader.rest;
  }

  /**
   * Takes the next chunk; gives the head when it is complete. The chunk may be used again after the call.
   *
   * Throws `HttpHeadError` as soon as the head is known to be bad, and again in each later call.
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

/** What tells a request from a response. */
interface HeadGrammar<Start, Head> {
  /** Empty lines that are skipped before the first one. */
  readonly emptyLines: number;
  startLine(line: string): Start;
  /** Checks what can only be known from the whole. */
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
  #size = 0; // bytes of the lines already read
  #partial = NO_BYTES;
  #held = 0; // bytes of #partial in use
  #finished = false;
  #failure: unknown;
  rest: Uint8Array = NO_BYTES;

  constructor(grammar: HeadGrammar<Start, Head>, limits: Partial<HeadLimits> | null, text: TextCodec | null) {
    this.#grammar = grammar;
    this.#text = text;
    // Not a spread: an `undefined` must not lift a bound.
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
      // As a rule nothing follows; and on Bun a view takes the chunk out of the engine's own heap.
      if (isLast) return this.#finish(from < chunk.length ? chunk.subarray(from) : NO_BYTES);
    }
    this.#hold(chunk, from, chunk.length);
    // One byte more at the least is to come.
    if (this.#size + this.#held >= this.#limits.maxHeadBytes) throw this.#headTooLarge();
    return undefined;
  }

  /**
   * As much of a chunk as can be of the head, as text with one character for each byte: its lines are then cut out of that,
   * at a sixth of what it takes to put each together from its bytes. `""` where that is not so.
   */
  #textOf(chunk: Uint8Array): string {
    if (this.#text === null || this.#held > 0) return "";
    const length = Math.min(chunk.length, this.#limits.maxHeadBytes);
    const text = this.#text.decode(chunk, 0, length);
    // UTF-8 has fewer characters than bytes, but where all are ASCII.
    return text === null || text.length < length ? "" : text;
  }

  #finish(rest: Uint8Array): Head {
    this.#finished = true;
    this.#partial = NO_BYTES;
    this.rest = rest;
    return this.#grammar.head(this.#start as Start, this.#headers);
  }

  /** Keeps the beginning of a line, unless it is too long already. */
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

  /** Ends the line that was begun in an earlier chunk. */
  #heldLine(chunk: Uint8Array, lf: number): boolean {
    this.#hold(chunk, 0, lf + 1);
    const length = this.#held;
    this.#held = 0;
    return this.#line(this.#partial, 0, length - 1, "");
  }

  /** Reads one complete line; true for the empty one that ends the head. */
  #line(bytes: Uint8Array, from: number, lf: number, text: string): boolean {
    const to = lf - 1;
    if (this.#start === undefined && from < lf) checkFirstByte(bytes[from]!);
    this.#checkLength(lf + 1 - from, to - from);
    this.#size += lf + 1 - from;
    // RFC 9112, 2.2 lets a bare LF pass for a line end; we do not.
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

  /** Refuses a line, complete or not, that passes a bound; `length` counts its end, `text` does not. */
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
    // RFC 9112, 6.3: with either field the request has a body, and nobody here would read it.
    if (length > 0 || headers.has("transfer-encoding")) {
      throw new HttpHeadError(413, "The request has a body");
    }
    const { method, target, minorVersion } = line;
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

/** What cannot begin a first line is no HTTP, TLS for example: nobody has to wait for the line's end to say so. */
function checkFirstByte(byte: number): void {
  if (byte !== CR && (byte <= SPACE || byte >= DEL)) {
    throw new HttpHeadError(400, "The head does not begin like HTTP");
  }
}
