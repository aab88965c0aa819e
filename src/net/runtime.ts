/** What the core needs of the place it runs in. The one that runs is a value handed down from `entries/runtime.ts`. */

import type { TextCodec } from "../bytes/text.ts";
import type { MaskMemory } from "../bytes/mask_memory.ts";
import { RandomSource } from "./random_source.ts";
import { ChunkCopies } from "../bytes/chunk_copies.ts";
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

/** What an adapter fills in. */
export interface RuntimeAdapter {
  readonly name: "node" | "bun" | "deno" | "memory";
  /** The IP addresses of a name that is none itself, as the system's resolver tells them; rejects with a `NetError`. */
  lookup(hostname: string): Promise<readonly string[]>;
  /**
   * Connects to an IP address or a path; rejects with a `NetError`. An aborted attempt is dropped and rejects with the signal's
   * reason.
   */
  connect(target: SocketTarget, request: ConnectRequest, signal: AbortSignal | null): Promise<StreamSocket>;
  /** Listens on an IP address, `::` for both families, or a path, whose file goes with the listener; rejects with a `NetError`. */
  listen(target: SocketTarget, request: ListenRequest, handler: AcceptHandler): Promise<SocketServer>;
  /** Binds a datagram socket to an IP address, `::` for both families; rejects with a `NetError`. */
  bind(target: UdpAddr, request: BindRequest): Promise<DatagramSocket>;
  /** Reads a configuration of TLS; throws a `TypeError` when a certificate or a key is none, or they do not belong together. */
  tlsContext(role: TlsRole, config: TlsConfig): TlsContext;
  readonly unixFiles: UnixFiles;
  readonly clock: Clock;
  readonly text: TextCodec;
  /** Where masking is fast; `null` where there is no such place. */
  readonly maskMemory: MaskMemory | null;
  /** An array of so many bytes is made faster than a view of a buffer. */
  readonly cheapArray: number;
  /** Fills with bytes that nobody can guess. */
  fillRandom(into: Uint8Array): void;
  /** Compression; `null` where there is none. */
  readonly deflate: RawDeflate | null;
}

/** What is done to the files of Unix sockets; rejects with a `NetError`. */
export interface UnixFiles {
  /** Tells a socket from any other that may take its place; `null` when the file is none, or there is no file. */
  findSocket(path: string): Promise<string | null>;
  /** Removes the socket that was found; resolves to `false`, and removes nothing, when another has its place. */
  removeSocket(path: string, found: string): Promise<boolean>;
  /** Sets the permission bits. */
  setMode(path: string, mode: number): Promise<void>;
}

/** A runtime, with what is shared by all of its sockets. */
export class Runtime {
  readonly adapter: RuntimeAdapter;
  readonly timers: TimerQueue;
  readonly flushQueue: FlushQueue;
  readonly buffers: BufferPool = new BufferPool();
  readonly copies: ChunkCopies;
  readonly random: RandomSource;

  constructor(adapter: RuntimeAdapter) {
    this.adapter = adapter;
    this.copies = new ChunkCopies(adapter.cheapArray);
    this.timers = new TimerQueue(adapter.clock);
    this.flushQueue = new FlushQueue(adapter.clock);
    this.random = new RandomSource((into) => adapter.fillRandom(into));
  }
}
