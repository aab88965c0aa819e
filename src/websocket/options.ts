import type { DebugHook } from "./debug.ts";
import type { MemoryBudget } from "./memory_budget.ts";
import { type CompressionOptions, type CompressionSettings, compressionSettings } from "./compression.ts";

/** What both sides of a WebSocket can set. */
export interface WebSocketOptions {
  /** Subprotocols, the preferred one first. Default: none. */
  subprotocols?: readonly string[];
  /** Milliseconds for the opening handshake. Default: 10,000. */
  handshakeTimeout?: number;
  /** Milliseconds to wait for the peer in the closing handshake before the connection is dropped. Default: 5,000. */
  closeTimeout?: number;
  /** The largest message that may come, bytes. A larger one closes the connection with 1009. Default: 1 MiB. */
  readLimit?: number;
  /**
   * In how many fragments of less than 1 KiB a message may come; longer ones are bounded by `readLimit` alone. One
   * that comes in more closes the connection with 1008. Default: 65,536.
   */
  maxFragments?: number;
  /** Bytes of messages that are read ahead of the application; then the peer is slowed. Default: 64 KiB. */
  readBufferSize?: number;
  /** Bytes that may wait for the network before writes wait for them. Default: 64 KiB. */
  writeBufferSize?: number;
  /**
   * Compresses messages where the peer agrees (permessage-deflate, RFC 7692). It takes time, and up to some 250 KiB a
   * connection, so it is off by default; nor should secrets and what an attacker can choose be compressed together.
   */
  compression?: boolean | CompressionOptions;
  /**
   * What this connection and others may hold together. Default: one of 1 GiB for all connections of the process that are
   * given none.
   */
  memoryBudget?: MemoryBudget;
  /** Pings while the peer is silent. `false`: none. */
  keepalive?: KeepaliveOptions | false;
  /**
   * Called with what happens to each connection beside its messages: the handshake and why it was refused, phases,
   * control frames, the end. Credentials, cookies and queries are masked. Default: none.
   */
  onDebug?: DebugHook;
}

/** When a silent peer is pinged, and when it is taken for dead. */
export interface KeepaliveOptions {
  /** Milliseconds of silence before a ping. Default: 30,000. */
  pingInterval?: number;
  /** Milliseconds for anything to come after a ping before the connection is dropped. Default: 20,000. */
  pongTimeout?: number;
}

/** The options with every default in place. */
export interface WebSocketSettings {
  readonly subprotocols: readonly string[];
  readonly handshakeTimeout: number;
  readonly closeTimeout: number;
  readonly readLimit: number;
  readonly maxFragments: number;
  readonly readBufferSize: number;
  readonly writeBufferSize: number;
  readonly compression: CompressionSettings | null;
  readonly memoryBudget: MemoryBudget | null;
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly onDebug: DebugHook | null;
}

/**
 * Puts the defaults in and checks what was given.
 *
 * @throws {RangeError} when a number is not positive
 */
export function webSocketSettings(options: WebSocketOptions): WebSocketSettings {
  const keepalive = options.keepalive === false ? { pingInterval: Infinity } : options.keepalive ?? {};
  return {
    subprotocols: options.subprotocols ?? [],
    handshakeTimeout: positive("handshakeTimeout", options.handshakeTimeout, 10_000),
    closeTimeout: positive("closeTimeout", options.closeTimeout, 5_000),
    readLimit: positive("readLimit", options.readLimit, 1_048_576),
    maxFragments: positive("maxFragments", options.maxFragments, 65_536),
    readBufferSize: positive("readBufferSize", options.readBufferSize, 65_536),
    writeBufferSize: positive("writeBufferSize", options.writeBufferSize, 65_536),
    compression: compressionSettings(options.compression ?? false),
    memoryBudget: options.memoryBudget ?? null,
    pingInterval: positive("keepalive.pingInterval", keepalive.pingInterval, 30_000),
    pongTimeout: positive("keepalive.pongTimeout", keepalive.pongTimeout, 20_000),
    onDebug: debugHook(options.onDebug),
  };
}

/** @throws {TypeError} when the hook is not a function */
function debugHook(hook: DebugHook | undefined): DebugHook | null {
  if (hook === undefined || typeof hook === "function") return hook ?? null;
  throw new TypeError("Cannot use onDebug: it is not a function");
}

/** Checks one number. */
export function positive(name: string, value: number | undefined, byDefault: number): number {
  if (value === undefined) return byDefault;
  if (typeof value !== "number" || !(value > 0)) {
    throw new RangeError(`Cannot use ${name}: it is ${value}, not a positive number`);
  }
  return value;
}
