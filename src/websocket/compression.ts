import type { RawDeflate } from "../bytes/raw_deflate.ts";
import { type DeflateParameters, offerDeflate, PERMESSAGE_DEFLATE } from "../protocol/deflate_negotiation.ts";
import { DeflatePool } from "../protocol/deflate_pool.ts";
import { FIN, headerSize, Opcode, RSV1, writeHeader } from "../protocol/frame_header.ts";
import { formatExtensionList } from "../http/header_fields.ts";
import { compressWith } from "../protocol/message_deflater.ts";
import { type MessageEncoding, type PreparedMessage, serverFrame } from "./prepared_message.ts";

/** Options of compression: permessage-deflate, RFC 7692. */
export interface CompressionOptions {
  /** Length from which on a message is compressed, bytes. Default: 512. */
  threshold?: number;
  /** Level, 0 (none) to 9 (smallest). Default: 1, which takes the least time. */
  level?: number;
  /**
   * Whether the server compresses each message without reference to earlier ones. Messages are larger then, but an idle
   * connection holds no window. Default: false.
   */
  serverNoContextTakeover?: boolean;
  /** Whether the client compresses each message without reference to earlier ones. Default: false. */
  clientNoContextTakeover?: boolean;
  /** Base-2 logarithm of the server's window in bytes, 8 to 15. Default: 15, which is 32 KiB. */
  serverMaxWindowBits?: number;
  /** Base-2 logarithm of the client's window in bytes, 8 to 15. Default: 15. */
  clientMaxWindowBits?: number;
}

/** Checked options with all defaults filled in. */
export interface CompressionSettings {
  readonly threshold: number;
  readonly level: number;
  readonly wishes: DeflateParameters;
}

/**
 * Checks the options and fills in the defaults; `null` for no compression.
 *
 * @throws {RangeError} when a number is not a whole one in its range
 */
export function compressionSettings(options: boolean | CompressionOptions): CompressionSettings | null {
  if (options === false) return null;
  const given = options === true ? {} : options;
  const { serverNoContextTakeover = false, clientNoContextTakeover = false } = given;
  const serverMaxWindowBits = whole("serverMaxWindowBits", given.serverMaxWindowBits ?? 15, 8, 15);
  const clientMaxWindowBits = whole("clientMaxWindowBits", given.clientMaxWindowBits ?? 15, 8, 15);
  return {
    threshold: whole("threshold", given.threshold ?? 512, 0, Infinity),
    level: whole("level", given.level ?? 1, 0, 9),
    wishes: { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits },
  };
}

function whole(name: string, value: number, least: number, most: number): number {
  const allowed = value >= least && value <= most && (Number.isInteger(value) || value === Infinity);
  if (!allowed) {
    throw new RangeError(
      `Cannot use compression.${name}: it is ${value}, not a whole number from ${least} to ${most}`,
    );
  }
  return value;
}

/** The negotiated compression of one connection. */
export interface Compression {
  readonly parameters: DeflateParameters;
  readonly level: number;
  readonly threshold: number;
  readonly pool: DeflatePool;
  /**
   * Encodes a message as one unmasked frame without reference to other messages. Connections with equal parameters
   * share the encoding and its results.
   */
  readonly frame: MessageEncoding;
  /** Encodes a message as a compressed payload without a frame, for a client, which has to mask it. */
  readonly payload: MessageEncoding;
}

/** The compression of a connection with the negotiated parameters. */
export function compression(
  raw: RawDeflate,
  role: "client" | "server",
  parameters: DeflateParameters,
  { level, threshold }: CompressionSettings,
): Compression {
  const shared = sharedOf(raw);
  const windowBits = role === "server" ? parameters.serverMaxWindowBits : parameters.clientMaxWindowBits;
  const { frame, payload } = shared.encodings(windowBits, level, threshold);
  return { parameters, level, threshold, pool: shared.pool, frame, payload };
}

/** The `Sec-WebSocket-Extensions` element of the negotiated parameters; `""` for no compression. */
export function extensionsText(parameters: DeflateParameters | null): string {
  if (parameters === null) return "";
  const { params } = offerDeflate(parameters);
  // An offer names client_max_window_bits without a value; a negotiated window of the largest size is not named.
  const said = params.filter(({ value, name }) => name !== "client_max_window_bits" || value !== true);
  return formatExtensionList([{ name: PERMESSAGE_DEFLATE, params: said }]);
}

interface Encodings {
  readonly frame: MessageEncoding;
  readonly payload: MessageEncoding;
}

/** The part of compression that all connections of a runtime share: engines with empty windows, and encodings. */
class SharedCompression {
  readonly pool: DeflatePool;
  readonly #encodings = new Map<string, Encodings>();

  constructor(raw: RawDeflate) {
    this.pool = new DeflatePool(raw);
  }

  encodings(windowBits: number, level: number, threshold: number): Encodings {
    const key = `${windowBits} ${level} ${threshold}`;
    let encodings = this.#encodings.get(key);
    if (encodings === undefined) {
      this.#encodings.set(key, encodings = makeEncodings(this.pool, windowBits, level, threshold));
    }
    return encodings;
  }
}

const sharedByRaw = new WeakMap<RawDeflate, SharedCompression>();

function sharedOf(raw: RawDeflate): SharedCompression {
  let shared = sharedByRaw.get(raw);
  if (shared === undefined) sharedByRaw.set(raw, shared = new SharedCompression(raw));
  return shared;
}

function makeEncodings(pool: DeflatePool, windowBits: number, level: number, threshold: number): Encodings {
  const compressed = (message: PreparedMessage) =>
    compressWith(pool.deflater(windowBits, level), message.payload);
  return {
    frame: {
      encode(message) {
        if (!message.isCompressible(threshold)) return message.encodedBy(serverFrame);
        return frameOf(message, compressed(message));
      },
    },
    // A copy, because the compressor overwrites its output with the next message.
    payload: { encode: (message) => new Uint8Array(compressed(message)) },
  };
}

function frameOf({ type }: PreparedMessage, payload: Uint8Array): Uint8Array {
  const size = headerSize(payload.length, false);
  const bytes = new Uint8Array(size + payload.length);
  const opcode = type === "text" ? Opcode.Text : Opcode.Binary;
  writeHeader(bytes, 0, FIN | RSV1 | opcode, payload.length, null);
  bytes.set(payload, size);
  return bytes;
}
