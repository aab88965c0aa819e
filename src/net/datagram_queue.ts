import type { UdpAddr } from "./addr.ts";

/** A received datagram. */
export interface QueuedDatagram {
  readonly data: Uint8Array;
  readonly addr: UdpAddr;
}

/** Number of empty places at the front from which on the rest of the queue is moved up. */
const MOVE_UP_AFTER = 64;

/** Received datagrams that have not been read yet, in order, up to a bound on their number and on their bytes. */
export class DatagramQueue {
  readonly #maxDatagrams: number;
  readonly #maxBytes: number;
  #datagrams: (QueuedDatagram | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(maxDatagrams: number, maxBytes: number) {
    this.#maxDatagrams = maxDatagrams;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#datagrams.length - this.#head;
  }

  /** Appends a datagram; `false` when it does not fit. A single datagram always fits. */
  push(datagram: QueuedDatagram): boolean {
    const bytes = this.#bytes + datagram.data.length;
    if (this.size > 0 && (this.size >= this.#maxDatagrams || bytes > this.#maxBytes)) return false;
    this.#datagrams.push(datagram);
    this.#bytes = bytes;
    return true;
  }

  shift(): QueuedDatagram | undefined {
    const datagrams = this.#datagrams;
    const datagram = datagrams[this.#head];
    if (datagram === undefined) return undefined;
    this.#bytes -= datagram.data.length;
    datagrams[this.#head++] = undefined;
    // The array is shifted only from time to time: a queue that never runs empty must not grow.
    if (this.#head === datagrams.length) {
      datagrams.length = 0;
      this.#head = 0;
    } else if (this.#head >= MOVE_UP_AFTER && 2 * this.#head >= datagrams.length) {
      datagrams.copyWithin(0, this.#head);
      datagrams.length -= this.#head;
      this.#head = 0;
    }
    return datagram;
  }

  clear(): void {
    this.#datagrams = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
