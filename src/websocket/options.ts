import { described } from "../bytes/described.ts";
import type { PingHook, PongHook } from "./control_hooks.ts";
import type { HeadLimits } from "../http/head.ts";
import type { DebugHook } from "./debug.ts";
import type { MemoryBudget } from "./memory_budget.ts";
import { type CompressionOptions, type CompressionSettings, compressionSettings } from "./compression.ts";

/** Options of a WebSocket, client or server. */
export interface WebSocketOptions {
  /** Subprotocols, the preferred one first; the server's preference decides. Default: none. */
  subprotocols?: readonly string[];
  /** Bound of the opening handshake, milliseconds. Default: 10,000. */
  handshakeTimeout?: number;
  /**
   * Bound of the wait for the peer in the closing handshake, milliseconds; then the connection drops. Default: 5,000.
   */
  closeTimeout?: number;
  /**
   * Lowest average rate, bytes a second, at which a peer must take what was sent before the close frame. Bounds a close
   * beyond `closeTimeout`: by the time that the bytes take at this rate, of which the kernel's buffers count as 2 MiB at
   * most. A slower peer is dropped. Default: 32,768.
   */
  closeMinRate?: number;
  /** Bound of a received message, bytes. A larger one closes the connection with 1009. Default: 1 MiB. */
  readLimit?: number;
  /**
   * Bound of the fragments shorter than 1 KiB in a received message; longer ones are bounded by `readLimit` alone. A
   * message with more closes the connection with 1008. Default: 65,537, which is 4 MiB in fragments of 64 bytes and an
   * empty one to end it.
   */
  maxFragments?: number;
  /**
   * Bound of the head of the peer's request or response, bytes; half of it for the first line. A server answers 431, or
   * 414 for the first line, `dialWebSocket` rejects. Default: 16,384.
   */
  maxHeadBytes?: number;
  /** Bound of the number of fields in that head. A server answers 431, `dialWebSocket` rejects. Default: 100. */
  maxHeadFields?: number;
  /** Bytes of received messages that may wait for the application; beyond, the peer is slowed down. Default: 64 KiB. */
  readBufferSize?: number;
  /** Bytes that may wait for the network; beyond, writes wait. Default: 64 KiB. */
  writeBufferSize?: number;
  /**
   * Compresses messages if the peer agrees (permessage-deflate, RFC 7692). Compression takes time and up to about 250
   * KiB a connection. Do not compress secrets together with text that an attacker can choose. Default: false.
   */
  compression?: boolean | CompressionOptions;
  /**
   * Bound of the memory that this connection and others hold together. Default: one budget of 1 GiB, shared by all
   * connections of the process without this option.
   */
  memoryBudget?: MemoryBudget;
  /** Pings to a silent peer; `false` for none. Default: see {@linkcode KeepaliveOptions}. */
  keepalive?: KeepaliveOptions | false;
  /**
   * Called with what happens to each connection beside its messages: the handshake and why it was refused, phases,
   * control frames, the end. Credentials, cookies and queries are masked. Default: none.
   */
  onDebug?: DebugHook;
  /** Called with each ping that comes; `false` leaves it without its pong. Default: none, every ping is answered. */
  onPing?: PingHook;
  /** Called with each pong that comes. Default: none. */
  onPong?: PongHook;
}

/** Times of the pings to a silent peer. */
export interface KeepaliveOptions {
  /**
   * Silence after which a ping is sent, milliseconds; noticed up to a quarter of it late. While nothing but pongs comes, pings
   * leave in this period, so a value below a proxy's idle time-out keeps the proxy from cutting the connection. Default: 30,000.
   */
  pingInterval?: number;
  /** Silence after a ping after which the connection is dropped, milliseconds. Default: 20,000. */
  pongTimeout?: number;
}

/** Checked options with all defaults filled in. */
export interface WebSocketSettings {
  readonly subprotocols: readonly string[];
  readonly handshakeTimeout: number;
  readonly closeTimeout: number;
  readonly closeMinRate: number;
  readonly readLimit: number;
  readonly maxFragments: number;
  /** Bounds of the peer's head; `null` for the defaults. */
  readonly headLimits: HeadLimits | null;
  readonly readBufferSize: number;
  readonly writeBufferSize: number;
  readonly compression: CompressionSettings | null;
  readonly memoryBudget: MemoryBudget | null;
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly onDebug: DebugHook | null;
  readonly onPing: PingHook | null;
  readonly onPong: PongHook | null;
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {RangeError} when a number is not positive
 */
export function webSocketSettings(options: WebSocketOptions): WebSocketSettings {
  const keepalive = options.keepalive === false ? { pingInterval: Infinity } : options.keepalive ?? {};
  return {
    subprotocols: options.subprotocols ?? [],
    handshakeTimeout: positive("handshakeTimeout", options.handshakeTimeout, 10_000),
    closeTimeout: positive("closeTimeout", options.closeTimeout, 5_000),
    closeMinRate: positive("closeMinRate", options.closeMinRate, 32_768),
    readLimit: positive("readLimit", options.readLimit, 1_048_576),
    maxFragments: positive("maxFragments", options.maxFragments, 65_537),
    headLimits: headLimits(options),
    readBufferSize: positive("readBufferSize", options.readBufferSize, 65_536),
    writeBufferSize: positive("writeBufferSize", options.writeBufferSize, 65_536),
    compression: compressionSettings(options.compression ?? false),
    memoryBudget: options.memoryBudget ?? null,
    pingInterval: positive("keepalive.pingInterval", keepalive.pingInterval, 30_000),
    pongTimeout: positive("keepalive.pongTimeout", keepalive.pongTimeout, 20_000),
    onDebug: hookOf("onDebug", options.onDebug),
    onPing: hookOf("onPing", options.onPing),
    onPong: hookOf("onPong", options.onPong),
  };
}

function headLimits({ maxHeadBytes, maxHeadFields }: WebSocketOptions): HeadLimits | null {
  if (maxHeadBytes === undefined && maxHeadFields === undefined) return null;
  const bytes = positiveInteger("maxHeadBytes", maxHeadBytes, 16_384);
  const maxFields = positiveInteger("maxHeadFields", maxHeadFields, 100);
  return { maxHeadBytes: bytes, maxStartLineBytes: Math.ceil(bytes / 2), maxFields };
}

function positiveInteger(name: string, value: number | undefined, byDefault: number): number {
  if (Number.isSafeInteger(positive(name, value, byDefault))) return value ?? byDefault;
  throw new RangeError(`Cannot use ${name}: it is ${value}, not a whole number`);
}

/** @throws {TypeError} when the hook is not a function */
function hookOf<Hook>(name: string, hook: Hook | undefined): Hook | null {
  if (hook === undefined || typeof hook === "function") return hook ?? null;
  throw new TypeError(`Cannot use ${name}: it is not a function`);
}

/** The value, or the default for `undefined`; throws `RangeError` unless it is a positive number. */
export function positive(name: string, value: number | undefined, byDefault: number): number {
  if (value === undefined) return byDefault;
  if (typeof value !== "number" || !(value > 0)) {
    throw new RangeError(
      `Cannot use ${name}: it is ${
        typeof value === "number" ? value : described(value)
      }, not a positive number`,
    );
  }
  return value;
}
