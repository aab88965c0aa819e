/** What Node's streams are made of: the handles of libuv, and what C++ shares with them. */

import process from "node:process";

/** A handle of a stream, as far as it is used here. */
export interface StreamHandle {
  onread: ((this: StreamHandle) => void) | undefined;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: WrapRequest, bytes: Uint8Array): number;
  shutdown(request: WrapRequest): number;
  close(onClosed: () => void): void;
  ref(): void;
  unref(): void;
  // Of TCP alone.
  reset?(onClosed: () => void): number;
  getsockname?(into: HandleAddr): number;
  getpeername?(into: HandleAddr): number;
  setNoDelay?(on: boolean): number;
  setKeepAlive?(on: boolean, idleSeconds: number): number;
}

/** Where a call puts an address. */
export interface HandleAddr {
  address?: string;
  port?: number;
}

/** Something that was begun, and tells when it is done. */
export interface WrapRequest {
  oncomplete?: (this: WrapRequest, status: number) => void;
  /** Kept until then. */
  bytes?: Uint8Array;
}

/** What Node shares between C++ and its own streams. */
export interface StreamWrap {
  readonly WriteWrap: new () => WrapRequest;
  readonly ShutdownWrap: new () => WrapRequest;
  /** What the last call has to say. */
  readonly streamBaseState: Int32Array;
  /** Where in it is what: bytes that were read, or the error. */
  readonly kReadBytesOrError: number;
  /** And whether the last write goes on. */
  readonly kLastWriteWasAsync: number;
}

/** Node's own; `null` where it is not as it is known here, or this is another runtime. */
export const streamWrap: StreamWrap | null = findStreamWrap();

/** Of a handle as they are known here. */
const METHODS = [
  "useUserBuffer",
  "readStart",
  "readStop",
  "writeBuffer",
  "shutdown",
  "close",
  "ref",
  "unref",
] as const;

/** Whether this is one. */
export function isStreamHandle(value: unknown): value is StreamHandle {
  const handle = Object(value) as Record<string, unknown>;
  return METHODS.every((name) => typeof handle[name] === "function");
}

function findStreamWrap(): StreamWrap | null {
  if ("Bun" in globalThis || "Deno" in globalThis) return null;
  const found = Object(bindingOf("stream_wrap")) as StreamWrap;
  const functions = [found.WriteWrap, found.ShutdownWrap].every((made) => typeof made === "function");
  const places = [found.kReadBytesOrError, found.kLastWriteWasAsync].every((at) => Number.isInteger(at));
  return functions && places && found.streamBaseState instanceof Int32Array ? found : null;
}

function bindingOf(name: string): unknown {
  const host = process as unknown as { binding?(name: string): unknown; noDeprecation?: boolean | undefined };
  const before = host.noDeprecation;
  // A warning would reach those who run a program and can do nothing about it.
  host.noDeprecation = true;
  try {
    return host.binding?.(name);
  } catch {
    // Forbidden, as under Node's permissions.
    return null;
  } finally {
    if (before === undefined) delete host.noDeprecation;
    else host.noDeprecation = before;
  }
}
