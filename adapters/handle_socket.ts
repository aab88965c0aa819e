import { getSystemErrorName } from "node:util";
import { type Addr, tcpAddr } from "../src/net/addr.ts";
import type { AcceptedOptions, StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";
import { readBuffer } from "./mask_memory.ts";
import { netError } from "./net_errors.ts";
import { type HandleAddr, type StreamHandle, streamWrap, type WrapRequest } from "./stream_wrap.ts";

/** Leads from a handle to its socket. */
const owner = Symbol("owner");

interface OwnedHandle extends StreamHandle {
  [owner]?: HandleSocket;
}

const END_OF_FILE = -4095;

/** All sockets read into it; the kernel's copy then lies in the processor's cache when it is looked at. */
const shared = readBuffer;

/** For the next write: only one that goes on uses it up. */
let spareWrite: WrapRequest | null = null;

/** What is known of a socket's addresses without asking it. */
export interface KnownEnds {
  readonly localAddr: Addr | null;
  readonly remoteAddr: Addr | null;
}

/** A connected handle. */
export class HandleSocket implements StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #handle: StreamHandle;
  #handler: StreamHandler | null = null;
  #options: AcceptedOptions | null;
  #reading = false;
  /** What broke it, or what the handler threw. */
  #error: unknown = null;
  /** A FIN is on its way. */
  #shutting = false;
  /** `close` or `reset` was called. */
  #leaving = false;
  /** The handle is closing, for whatever reason. */
  #closing = false;
  #closed = false;
  #ended = false;
  /** The handler that heard of the end. */
  #told: StreamHandler | null = null;

  /**
   * @param ends as far as they are known; what is `null`, the handle knows
   * @param options that it has inherited
   */
  constructor(
    handle: StreamHandle,
    { localAddr, remoteAddr }: KnownEnds,
    options: AcceptedOptions | null = null,
  ) {
    this.#handle = handle;
    this.#options = options;
    (handle as OwnedHandle)[owner] = this;
    this.localAddr = localAddr ?? addrOf(handle, "getsockname");
    this.remoteAddr = remoteAddr ?? addrOf(handle, "getpeername");
  }

  start(handler: StreamHandler): void {
    const first = this.#handler === null;
    this.#handler = handler;
    if (this.#closed) return void queueMicrotask(() => this.#reportClose());
    if (!first || this.#closing) return;
    this.#handle.onread = onRead;
    this.#handle.useUserBuffer(shared);
    this.resume();
  }

  pause(): void {
    if (!this.#reading) return;
    this.#reading = false;
    this.#handle.readStop();
  }

  resume(): void {
    if (this.#reading || this.#closing || this.#ended) return;
    const status = this.#handle.readStart();
    if (status < 0) this.#fail(systemError("read", status));
    else this.#reading = true;
  }

  /** What `onread` calls. */
  onRead(count: number): void {
    // Nothing came after all.
    if (count === 0 || this.#closing) return;
    try {
      if (count > 0) return this.#handler!.onData(shared.subarray(0, count), true);
      if (count !== END_OF_FILE) return this.#fail(systemError("read", count));
      this.pause();
      this.#ended = true;
      this.#handler!.onEnd();
    } catch (error) {
      this.#break(error);
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closing) return false;
    const request = spareWrite ??= new streamWrap!.WriteWrap();
    const status = this.#handle.writeBuffer(request, bytes);
    if (status < 0) {
      this.#fail(systemError("write", status));
      return false;
    }
    const { streamBaseState, kLastWriteWasAsync } = streamWrap!;
    if (streamBaseState[kLastWriteWasAsync] === 0) return true;
    spareWrite = null;
    request.bytes = bytes;
    request.oncomplete = (status) => this.#onTaken(status);
    return false;
  }

  #onTaken(status: number): void {
    if (this.#closing) return;
    if (status < 0) return this.#fail(systemError("write", status));
    try {
      this.#handler?.onDrain();
    } catch (error) {
      this.#break(error);
    }
  }

  closeWrite(): void {
    if (this.#closing) return;
    const request = new streamWrap!.ShutdownWrap();
    // That there is nobody left to tell is seen when it is read.
    request.oncomplete = () => void (this.#shutting = false);
    this.#shutting = this.#handle.shutdown(request) === 0;
  }

  close(): void {
    this.#leaving = true;
    this.#close();
  }

  reset(): void {
    this.#leaving = true;
    this.#reset();
  }

  /** The handler threw. */
  #break(error: unknown): void {
    this.#error ??= error;
    this.#reset();
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#close();
  }

  #reset(): void {
    const handle = this.#handle;
    if (handle.reset === undefined || this.#shutting) return this.#close();
    if (this.#closing) return;
    this.#closing = true;
    this.#reading = false;
    handle.reset(() => this.#onClosed());
  }

  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#reading = false;
    this.#handle.close(() => this.#onClosed());
  }

  #onClosed(): void {
    this.#closed = true;
    this.#reportClose();
  }

  #reportClose(): void {
    const handler = this.#handler;
    if (handler === null || handler === this.#told) return;
    this.#told = handler;
    const sound = this.#leaving || this.#error === null;
    const { network } = this.remoteAddr;
    try {
      handler.onClose(sound ? null : netError(this.#error, "read", network, this.remoteAddr));
    } catch {
      // The socket is gone already: there is nothing left to break.
    }
  }

  setNoDelay(on: boolean): void {
    if (this.#options?.noDelay === on) return;
    this.#options = null;
    this.#handle.setNoDelay?.(on);
  }

  setKeepAlive(on: boolean, idleMs: number): void {
    if (this.#options?.keepAliveIdle === (on ? idleMs : 0)) return;
    this.#options = null;
    this.#handle.setKeepAlive?.(on, Math.floor(idleMs / 1000));
  }

  ref(): void {
    if (!this.#closing) this.#handle.ref();
  }

  unref(): void {
    if (!this.#closing) this.#handle.unref();
  }
}

/** One function for all handles. */
function onRead(this: OwnedHandle): void {
  this[owner]!.onRead(streamWrap!.streamBaseState[streamWrap!.kReadBytesOrError]!);
}

function addrOf(handle: StreamHandle, call: "getsockname" | "getpeername"): Addr {
  const found: HandleAddr = {};
  handle[call]!(found);
  return tcpAddr(found.address ?? "", found.port ?? 0);
}

/** As `node:net` would say it. */
function systemError(syscall: string, status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: status, syscall });
}
