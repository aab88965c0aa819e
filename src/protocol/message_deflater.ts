import { concat } from "../bytes/concat.ts";
import type { Deflater } from "../bytes/raw_deflate.ts";
import type { DeflatePool } from "./deflate_pool.ts";

/** How a side compresses what it sends. */
export interface DeflaterSettings {
  readonly pool: DeflatePool;
  /** The reach of references, as a power of two: 8 to 15. */
  readonly windowBits: number;
  /** The compression level, 0 (none) to 9 (best). */
  readonly level: number;
  /** Whether a message may refer to those before it. */
  readonly contextTakeover: boolean;
}

/** The empty stored block that a flush ends with, which is not sent (RFC 7692, 7.2.1). */
export const TAIL: Uint8Array = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** Compresses the messages of one connection, RFC 7692, 7.2.1. The compressor is made by the first of them. */
export class MessageDeflater {
  readonly #settings: DeflaterSettings;
  #own: Deflater | null = null;
  /** Whether the peer's window holds a message that `#own` has not seen. */
  #stale = false;

  constructor(settings: DeflaterSettings) {
    this.#settings = settings;
  }

  /** Compresses a payload. The result may be a view that is valid until the next call of any compressor. */
  compress(payload: Uint8Array): Uint8Array {
    const { pool, windowBits, level, contextTakeover } = this.#settings;
    if (!contextTakeover) return compressWith(pool.deflater(windowBits, level), payload);
    this.#own ??= pool.raw.deflater(windowBits, level);
    if (this.#stale) this.#own.reset();
    this.#stale = false;
    return compressWith(this.#own, payload);
  }

  /**
   * To be called when a message was sent that another compressor made, without reference to any before it. The peer's
   * window holds that message now, so the next one must not refer to those before it: its compressor begins anew.
   */
  skip(): void {
    this.#stale = true;
  }

  /** Gives the memory back. Called at the end of the connection. */
  close(): void {
    this.#own?.close();
    this.#own = null;
  }
}

/** Compresses a payload; the result may be a view that is valid until the next call of any compressor. */
export function compressWith(deflater: Deflater, payload: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  deflater.deflate(payload, (bytes, length) => {
    // A piece that does not fill its buffer is the last, mostly the only one, and is used in place.
    pieces.push(length < bytes.length ? bytes.subarray(0, length) : bytes.slice());
    return true;
  });
  const whole = concat(pieces);
  return whole.subarray(0, whole.length - TAIL.length);
}
