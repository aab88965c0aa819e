import { getSystemErrorName } from "node:util";
import type { Addr } from "../src/net/addr.ts";
import type { AcceptedOptions, StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";
import { AdapterSocket } from "./adapter_socket.ts";
import { toldAddr } from "./ends.ts";
import { readBuffer } from "./mask_memory.ts";
import { type HandleAddr, type StreamHandle, streamWrap, type WrapRequest } from "./stream_wrap.ts";

/** Property of a handle that leads to its `HandleSocket`. */
const owner = Symbol("owner");

interface OwnedHandle extends StreamHandle {
  [owner]?: HandleSocket;
}

/** Errors of a write after which no input can come, beyond what the kernel has: the connection is gone. */
const BROKEN: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT"]);

/** Libuv's code for the end of the stream. */
const END_OF_FILE = -4095;

/** Buffer of all sockets' reads: with one buffer, bytes from the kernel are in the processor's cache when they are used. */
const shared = readBuffer;

/** Request for the next write, kept for the one after when the kernel takes all at once. */
let spareWrite: WrapRequest | null = null;

/** The addresses of a socket as far as they are known beforehand; `null`: the handle is asked. */
export interface KnownEnds {
  readonly localAddr: Addr | null;
  readonly remoteAddr: Addr | null;
}

/** A stream socket over a connected handle of libuv. */
export class HandleSocket extends AdapterSocket implements StreamSocket {
  readonly #handle: StreamHandle;
  #options: AcceptedOptions | null;
  #reading = false;
  /** Whether a FIN is on its way. */
  #shutting = false;
  /** Whether the handle is closing, for whatever reason. */
  #closing = false;
  #ended = false;

  /**
   * @param options inherited from the listener: need not be set once more
   * @param dialled the remote address of a socket that was dialled, for where the handle has forgotten it
   */
  constructor(
    handle: StreamHandle,
    { localAddr, remoteAddr }: KnownEnds,
    options: AcceptedOptions | null = null,
    dialled: Addr | null = null,
  ) {
    super({
      localAddr: localAddr ?? addrOf(handle, "getsockname", null),
      remoteAddr: remoteAddr ?? addrOf(handle, "getpeername", dialled),
    });
    this.#handle = handle;
    this.#options = options;
    (handle as OwnedHandle)[owner] = this;
  }

  get readsPastFailure(): boolean {
    return true;
  }

  start(handler: StreamHandler): void {
    const first = this.handler === null;
    this.handler = handler;
    if (this.closed) return this.reportCloseLater();
    if (!first || this.#closing) return;
    this.#handle.onread = onRead;
    this.#handle.useUserBuffer(shared);
    this.resume();
  }

  pause(): void {
    // What the kernel still has of a broken connection is read to its end.
    if (!this.#reading || this.broken) return;
    this.#reading = false;
    this.#handle.readStop();
  }

  resume(): void {
    if (this.#reading || this.#closing || this.#ended) return;
    const status = this.#handle.readStart();
    if (status < 0) this.#fail(systemError("read", status));
    else this.#reading = true;
  }

  /** @param count bytes read into `shared`, 0 for none, or a negative error */
  onRead(count: number): void {
    if (count === 0 || this.#closing) return;
    try {
      if (count > 0) return this.handler!.onData(shared.subarray(0, count), true);
      if (count !== END_OF_FILE) return this.#fail(systemError("read", count));
      if (this.broken) return this.#close();
      this.pause();
      this.#ended = true;
      this.handler!.onEnd();
    } catch (error) {
      this.#break(error);
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closing || this.broken) return false;
    const request = spareWrite ??= new streamWrap!.WriteWrap();
    const status = this.#handle.writeBuffer(request, bytes);
    if (status < 0) {
      this.#failWrite(status);
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
    if (status < 0) return this.#failWrite(status);
    try {
      this.handler?.onDrain();
    } catch (error) {
      this.#break(error);
    }
  }

  closeWrite(): void {
    if (this.#closing) return;
    const request = new streamWrap!.ShutdownWrap();
    // A failed shutdown is ignored: the read side reports the broken connection.
    request.oncomplete = () => void (this.#shutting = false);
    this.#shutting = this.#handle.shutdown(request) === 0;
  }

  close(): void {
    this.leaving = true;
    this.#close();
  }

  reset(): void {
    this.leaving = true;
    this.#reset();
  }

  /** The handler threw. */
  #break(error: unknown): void {
    this.noteError(error);
    this.#reset();
  }

  /** A call of the system failed. */
  #fail(error: Error): void {
    this.noteError(error);
    this.#close();
  }

  /** A write failed. If the connection is gone, what came before is read first, and its end closes the socket. */
  #failWrite(status: number): void {
    const error = systemError("write", status);
    if (this.handler === null || this.#ended || !BROKEN.has(error.code)) return this.#fail(error);
    this.noteError(error);
    this.resume();
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
    this.closed = true;
    this.reportClose();
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

/** Read callback, one function for all handles: the handle is `this`, the count is in libuv's shared variable. */
function onRead(this: OwnedHandle): void {
  this[owner]!.onRead(streamWrap!.streamBaseState[streamWrap!.kReadBytesOrError]!);
}

function addrOf(handle: StreamHandle, call: "getsockname" | "getpeername", known: Addr | null): Addr {
  const found: HandleAddr = {};
  handle[call]!(found);
  return toldAddr(found.address, found.port, known);
}

/** Makes the error that `node:net` would give for a status of libuv. */
function systemError(syscall: string, status: number): Error & { readonly code: string } {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: status, syscall });
}
