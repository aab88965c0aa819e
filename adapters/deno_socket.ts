import { type Addr, type TcpAddr, tcpAddr, type UnixAddr, unixAddr } from "../src/net/addr.ts";
import type { StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";
import { AdapterSocket } from "./adapter_socket.ts";
import { withZones } from "./zones.ts";

// The part of Deno that is used here, declared so that every type checker can read this file.

/** An address of Deno: of IP, or of a Unix socket. */
export type DenoAddr = DenoNetAddr | DenoUnixAddr;
export interface DenoNetAddr {
  readonly transport: "tcp" | "udp";
  readonly hostname: string;
  readonly port: number;
}
export interface DenoUnixAddr {
  readonly transport: "unix";
  /** `null` for an unnamed end. */
  readonly path: string | null;
}

/** A TCP or Unix connection of Deno. */
export interface DenoTcpConn {
  readonly localAddr: DenoAddr;
  readonly remoteAddr: DenoAddr;
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  setNoDelay(on: boolean): void;
  setKeepAlive(on: boolean): void;
  ref(): void;
  unref(): void;
}

/** Maps an address of Deno to the core's. */
export function addrOf(addr: DenoAddr): TcpAddr | UnixAddr {
  if (addr.transport === "unix") return unixAddr((addr.path ?? "").replace(/^\0/, "@"));
  return tcpAddr(addr.hostname, addr.port);
}

/** Read buffer of an idle connection, bytes. */
const IDLE_BUFFER = 1024;
/** Upper bound of the read buffer, bytes. */
const LARGEST_BUFFER = 262144;
/** Number of small reads in a row after which the buffer shrinks to `IDLE_BUFFER`. */
const SMALL_READS = 4;

/** Errors of a write after which no input can come, beyond what the kernel has: the connection is gone. */
const BROKEN: ReadonlySet<unknown> = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT"]);

/** A stream socket over a connection of Deno. */
export class DenoSocket extends AdapterSocket implements StreamSocket {
  readonly #conn: DenoTcpConn;
  #reading = false;
  #paused = false;
  /** Read buffer, used again by each read; `null`: the next read makes one of `#bufferSize` bytes. */
  #buffer: Uint8Array | null = null;
  #bufferSize = IDLE_BUFFER;
  /** Latest reads in a row that filled less than a sixteenth of the buffer. */
  #smallReads = 0;
  #ended = false;
  #silent = true;
  /** Bytes that Deno has not taken yet. */
  #rest: Uint8Array | null = null;
  // Callbacks of writes, one for each socket; an async function would make them for each write. Made by the first write.
  #onTaken: ((count: number) => void) | null = null;
  readonly #onError = (error: unknown): void => this.#failWrite(error);

  /**
   * @param localAddr known beforehand; `null`: the connection is asked
   * @param known the address that was dialled, or is listened on
   */
  constructor(conn: DenoTcpConn, localAddr: Addr | null = null, known: Addr | null = null) {
    const ends = { localAddr: localAddr ?? addrOf(conn.localAddr), remoteAddr: addrOf(conn.remoteAddr) };
    super(withZones(ends, known));
    this.#conn = conn;
  }

  get isSilent(): boolean {
    return this.#silent;
  }

  get readsPastFailure(): boolean {
    return true;
  }

  start(handler: StreamHandler): void {
    this.handler = handler;
    if (this.closed) this.reportCloseLater();
    else if (!this.#reading) void this.#read();
  }

  pause(): void {
    // What the kernel still has of a broken connection is read to its end.
    this.#paused = !this.broken;
  }

  resume(): void {
    this.#paused = false;
    if (!this.#reading && this.handler !== null) void this.#read();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    try {
      while (!this.#paused && !this.#ended && !this.closed) {
        const buffer = this.#buffer ??= new Uint8Array(this.#bufferSize);
        const count = await this.#conn.read(buffer);
        if (this.closed) return;
        this.#silent = false;
        if (count === null) {
          if (this.broken) return this.#finish(null);
          this.#ended = true;
          this.#buffer = null;
          this.handler!.onEnd();
        } else {
          this.#resize(buffer, count);
          this.handler!.onData(buffer.subarray(0, count), true);
        }
      }
    } catch (error) {
      this.#finish(error);
    } finally {
      this.#reading = false;
    }
  }

  /**
   * Makes the buffer larger after a read that filled it, and as small as an idle connection's after `SMALL_READS` small
   * reads in a row: a pending read pins its buffer.
   */
  #resize(buffer: Uint8Array, count: number): void {
    this.#smallReads = count < this.#bufferSize / 16 ? this.#smallReads + 1 : 0;
    if (count === buffer.length && count < LARGEST_BUFFER) {
      this.#bufferSize = Math.min(this.#bufferSize * 4, LARGEST_BUFFER);
      this.#buffer = null;
    } else if (this.#smallReads >= SMALL_READS && this.#bufferSize > IDLE_BUFFER) {
      this.#bufferSize = IDLE_BUFFER;
      this.#buffer = null;
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.broken) return false;
    this.#rest = bytes;
    this.#conn.write(bytes).then(this.#onTaken ??= (count) => this.#take(count), this.#onError);
    return false;
  }

  /** A write failed. If the connection is gone, what came while paused is read first, and its end closes the socket. */
  #failWrite(error: unknown): void {
    const { code } = Object(error) as { code?: unknown };
    if (!this.#paused || this.#reading || this.#ended || !BROKEN.has(code)) return this.#finish(error);
    this.noteError(error);
    this.resume();
  }

  /** @param count bytes that Deno took of `#rest`, which may be fewer than all */
  #take(count: number): void {
    const rest = this.#rest!;
    if (count < rest.length && !this.closed) return void this.write(rest.subarray(count));
    this.#rest = null;
    if (this.closed) return;
    try {
      this.handler?.onDrain();
    } catch (error) {
      this.#finish(error);
    }
  }

  closeWrite(): void {
    this.#conn.closeWrite().catch((error) => this.#finish(error));
  }

  close(): void {
    if (!this.closed) this.leaving = true;
    this.#finish(null);
  }

  reset(): void {
    this.close();
  }

  setNoDelay(on: boolean): void {
    this.#set(() => this.#conn.setNoDelay(on));
  }

  setKeepAlive(on: boolean, _idleMs: number): void {
    this.#set(() => this.#conn.setKeepAlive(on));
  }

  #set(option: () => void): void {
    if (this.closed) return;
    try {
      option();
    } catch {
      // Some systems refuse it once the peer has reset the connection, which the next read reports.
    }
  }

  ref(): void {
    if (!this.closed) this.#conn.ref();
  }

  unref(): void {
    if (!this.closed) this.#conn.unref();
  }

  /** Closes the connection: because of `error`, or, for `null`, because the core asked for it. */
  #finish(error: unknown): void {
    if (this.closed) return;
    this.closed = true;
    this.noteError(error);
    this.#buffer = null;
    this.#conn.close();
    this.reportCloseLater();
  }
}
