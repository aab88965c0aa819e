/**
 * Interface between the core and a runtime. `entries/runtime.ts` creates the one {@linkcode Runtime} that is passed
 * down.
 */

import type { TextCodec } from "../bytes/text.ts";
import type { MaskMemory } from "../bytes/mask_memory.ts";
import { RandomSource } from "./random_source.ts";
import { BufferPool } from "../bytes/buffer_pool.ts";
import type { RawDeflate } from "../bytes/raw_deflate.ts";
import type { UdpAddr } from "./addr.ts";
import type { BindRequest, DatagramSocket } from "./datagram_socket.ts";
import type {
  AcceptHandler,
  ConnectRequest,
  ListenRequest,
  SocketServer,
  SocketTarget,
  StreamSocket,
} from "./stream_socket.ts";
import { type Clock, TimerQueue } from "./timer_queue.ts";
import type { TlsConfig, TlsContext, TlsRole } from "./tls.ts";
import { FlushQueue } from "./flush_queue.ts";

/** The interface that each adapter implements. */
export interface RuntimeAdapter {
  readonly name: "node" | "bun" | "deno" | "memory";
  /** Looks up the IP addresses of a host name by the system's resolver. Rejects with a `NetError`. */
  lookup(hostname: string): Promise<readonly string[]>;
  /**
   * Connects to an IP address or a path. Rejects with a `NetError`, or with the signal's reason once it is aborted; the
   * attempt is then dropped.
   */
  connect(target: SocketTarget, request: ConnectRequest, signal: AbortSignal | null): Promise<StreamSocket>;
  /**
   * Listens on an IP address, `::` for both families, or on a path, whose file is removed when the listener is closed.
   * Rejects with a `NetError`.
   */
  listen(target: SocketTarget, request: ListenRequest, handler: AcceptHandler): Promise<SocketServer>;
  /** Binds a datagram socket to an IP address, `::` for both families. Rejects with a `NetError`. */
  bind(target: UdpAddr, request: BindRequest): Promise<DatagramSocket>;
  /**
   * Reads a TLS configuration.
   *
   * @throws {TypeError} when a certificate or a key is not valid, or they do not belong together
   */
  tlsContext(role: TlsRole, config: TlsConfig): TlsContext;
  readonly unixFiles: UnixFiles;
  readonly clock: Clock;
  readonly text: TextCodec;
  /** Memory in which masking is fast; `null` when the runtime has none. */
  readonly maskMemory: MaskMemory | null;
  /** Up to this length, in bytes, `new Uint8Array(n)` costs less than a view of an existing buffer in this engine. */
  readonly maxCheapArray: number;
  /** Fills `into` with cryptographically secure random bytes. */
  fillRandom(into: Uint8Array): void;
  /** Compression; `null` when the runtime has none. */
  readonly deflate: RawDeflate | null;
}

/** Operations on the files of Unix sockets. All reject with a `NetError`. */
export interface UnixFiles {
  /**
   * Identity of the socket file at `path`, different for every file; `null` when there is no file, or it is not a
   * socket.
   */
  findSocket(path: string): Promise<string | null>;
  /**
   * Removes the socket file with the identity `found`. Resolves to `false`, and removes nothing, when another file is
   * there.
   */
  removeSocket(path: string, found: string): Promise<boolean>;
  /** Sets the permission bits of the file. */
  setMode(path: string, mode: number): Promise<void>;
}

/** A runtime's adapter, with the objects that all of its sockets share. */
export class Runtime {
  readonly adapter: RuntimeAdapter;
  readonly timers: TimerQueue;
  readonly flushQueue: FlushQueue;
  readonly buffers: BufferPool = new BufferPool();
  readonly random: RandomSource;

  constructor(adapter: RuntimeAdapter) {
    this.adapter = adapter;
    this.timers = new TimerQueue(adapter.clock);
    this.flushQueue = new FlushQueue(adapter.clock);
    this.random = new RandomSource((into) => adapter.fillRandom(into));
  }
}
