/** The handles of libuv below Node's streams, and the state that Node's C++ code shares with JavaScript. */

import process from "node:process";

/** The part of a stream's handle that is used here. */
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
  // Calls of TCP's handles, which those of Unix sockets lack.
  reset?(onClosed: () => void): number;
  getsockname?(into: HandleAddr): number;
  getpeername?(into: HandleAddr): number;
  setNoDelay?(on: boolean): number;
  setKeepAlive?(on: boolean, idleSeconds: number): number;
}

/** Object that `getsockname` and `getpeername` fill in. */
export interface HandleAddr {
  address?: string;
  port?: number;
}

/** A write or shutdown under way. */
export interface WrapRequest {
  /** Called when the request is done; `status` is 0, or a negative error. */
  oncomplete?: (this: WrapRequest, status: number) => void;
  /** Array of a write, kept alive until the request is done. */
  bytes?: Uint8Array;
}

/** Node's internal binding `stream_wrap`. */
export interface StreamWrap {
  readonly WriteWrap: new () => WrapRequest;
  readonly ShutdownWrap: new () => WrapRequest;
  /** Results of the last call of any handle. */
  readonly streamBaseState: Int32Array;
  /** Index in `streamBaseState`: bytes read, or a negative error. */
  readonly kReadBytesOrError: number;
  /** Index in `streamBaseState`: not 0 when the kernel has not taken all of the last write. */
  readonly kLastWriteWasAsync: number;
}

/**
 * The binding of this process. `null`: it is not as declared here, Node's permissions forbid it, the variable
 * `JACKFIELD_NODE_HANDLES` turns handles off, or the runtime is not Node.
 */
export const streamWrap: StreamWrap | null = findStreamWrap();

/** Methods by which a handle is recognised. */
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

/** Whether a value has the methods of a stream's handle. */
export function isStreamHandle(value: unknown): value is StreamHandle {
  const handle = Object(value) as Record<string, unknown>;
  return METHODS.every((name) => typeof handle[name] === "function");
}

function findStreamWrap(): StreamWrap | null {
  if ("Bun" in globalThis || "Deno" in globalThis || turnedOff()) return null;
  const found = Object(bindingOf("stream_wrap")) as StreamWrap;
  const functions = [found.WriteWrap, found.ShutdownWrap].every((made) => typeof made === "function");
  const places = [found.kReadBytesOrError, found.kLastWriteWasAsync].every((at) => Number.isInteger(at));
  return functions && places && found.streamBaseState instanceof Int32Array ? found : null;
}

/** Whether the user asked for the sockets of `node:net`: `JACKFIELD_NODE_HANDLES` is `0`, `off` or `false`. */
function turnedOff(): boolean {
  try {
    return /^(0|off|false)$/i.test(process.env["JACKFIELD_NODE_HANDLES"] ?? "");
  } catch {
    // Without permission to read the environment, the variable counts as not set.
    return false;
  }
}

function bindingOf(name: string): unknown {
  const host = process as unknown as { binding?(name: string): unknown; noDeprecation?: boolean | undefined };
  const before = host.noDeprecation;
  // A deprecation warning would go to the users of a program, who cannot do anything about it.
  host.noDeprecation = true;
  try {
    return host.binding?.(name);
  } catch {
    // Node's permissions forbid `process.binding`.
    return null;
  } finally {
    if (before === undefined) delete host.noDeprecation;
    else host.noDeprecation = before;
  }
}
