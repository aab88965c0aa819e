import { concat } from "../bytes/concat.ts";
import { FIN, Opcode } from "./frame_header.ts";

/** Control frames that may wait, at most; beyond, a late pong replaces the one before. */
const MAX_FRAMES = 64;

const PONG = FIN | Opcode.Pong;

/** Control frames that wait for a border between frames, to overtake the data that waits. */
export class UrgentFrames {
  #frames: Uint8Array[] = [];

  /** Frames that wait. */
  get count(): number {
    return this.#frames.length;
  }

  /**
   * Adds an encoded frame.
   *
   * @returns bytes by which the frames have grown; below zero when a shorter pong replaced a longer one
   */
  push(frame: Uint8Array): number {
    const dropped = frame[0] === PONG ? this.#dropLatePong() : 0;
    this.#frames.push(frame);
    return frame.length - dropped;
  }

  /** Takes all of them out, in one array. */
  takeAll(): Uint8Array {
    const bytes = concat(this.#frames);
    this.#frames = [];
    return bytes;
  }

  /**
   * RFC 6455, 5.5.3: of pings whose pongs have not left yet, only the last has to be answered. Otherwise a peer that
   * pings and does not read would fill the memory.
   *
   * @returns bytes dropped
   */
  #dropLatePong(): number {
    if (this.#frames.length < MAX_FRAMES || this.#frames.at(-1)![0] !== PONG) return 0;
    return this.#frames.pop()!.length;
  }
}
