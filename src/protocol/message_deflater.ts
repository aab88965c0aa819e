import { concat } from "../bytes/concat.ts";
import type { Deflater } from "../bytes/raw_deflate.ts";
import type { DeflatePool } from "./deflate_pool.ts";

/** How a side compresses what it sends. */
export interface DeflaterSettings {
  readonly pool: DeflatePool;
  /** How far references may reach back, as a power of two. */
  readonly windowBits: number;
  /** 0 to 9. */
  readonly level: number;
  /** Whether a message may refer to those before it. */
  readonly contextTakeover: boolean;
}

/** The empty stored block that a flush ends with, which is not sent (RFC 7692, 7.2.1). */
export const TAIL: Uint8Array = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** Compresses the messages of one connection, RFC 7692, 7.2.1. Nothing is made before the first of them. */
export class MessageDeflater {
  readonly #settings: DeflaterSettings;
  #own: Deflater | null = null;
  /** The peer's window has got something that the own compressor does not know. */
  #stale = false;

  constructor(settings: DeflaterSettings) {
    this.#settings = settings;
  }

  /** The compressed payload; a view that is valid until the next call of any compressor. */
  compress(payload: Uint8Array): Uint8Array {
    const { pool, windowBits, level, contextTakeover } = this.#settings;
    if (!contextTakeover) return compressWith(pool.deflater(windowBits, level), payload);
    this.#own ??= pool.raw.deflater(windowBits, level);
    if (this.#stale) this.#own.reset();
    this.#stale = false;
    return compressWith(this.#own, payload);
  }

  /**
   * A message was sent that was compressed elsewhere, and referred to nothing: the peer keeps it in its window, so what
   * comes next must not refer to what was before it. Beginning anew is always allowed.
   */
  skip(): void {
    this.#stale = true;
  }

  /** The connection is over. */
  close(): void {
    this.#own?.close();
    this.#own = null;
  }
}

/** Compresses a payload; the result may be a view that is valid until the next call of any compressor. */
export function compressWith(deflater: Deflater, payload: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  deflater.deflate(payload, (bytes, length) => {
    // A piece that leaves room is the last, and is used where it lies. Mostly it is the only one.
    pieces.push(length < bytes.length ? bytes.subarray(0, length) : bytes.slice());
    return true;
  });
  const whole = concat(pieces);
  return whole.subarray(0, whole.length - TAIL.length);
}
