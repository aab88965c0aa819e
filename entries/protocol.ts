/**
 * The WebSocket protocol (RFC 6455, RFC 7692) without I/O, for programs with a transport of their own: HTTP heads, the
 * opening handshake, frames, compression and closing. Bytes go in and come out; time and randomness are arguments.
 *
 * @module
 */

// ── The connection ──

export {
  type DeflateOptions,
  Protocol,
  type ProtocolHandler,
  type ProtocolOptions,
} from "../src/protocol/protocol.ts";
export { type MessageDataHandler, PieceFlag } from "../src/protocol/message_piece.ts";
export { CloseCode, isSendableCloseCode } from "../src/protocol/close_code.ts";
export { MessageTooBigError, ProtocolError } from "../src/protocol/protocol_error.ts";

// ── Frames ──

export { FIN, Opcode, RSV1 } from "../src/protocol/frame_header.ts";
export { type FrameHandler, FrameReader, type FrameReaderOptions } from "../src/protocol/frame_reader.ts";
export { FrameWriter, type FrameWriterOptions } from "../src/protocol/frame_writer.ts";
export { type ByteSink, OutputQueue } from "../src/protocol/output_queue.ts";
export { applyMask, rotateKey } from "../src/bytes/mask.ts";
export type { MaskMemory } from "../src/bytes/mask_memory.ts";

// ── The opening handshake ──

export { acceptKey, isHandshakeKey } from "../src/protocol/accept_key.ts";
export {
  checkUpgradeResponse,
  encodeUpgradeRequest,
  parseWebSocketUrl,
  type UpgradeRequestOptions,
  type UpgradeResponseCheck,
  type UrlLike,
  type WebSocketTarget,
} from "../src/protocol/client_handshake.ts";
export {
  checkUpgradeRequest,
  encodeUpgradeResponse,
  isUpgradeRequest,
  sameOriginHost,
  selectSubprotocol,
  type UpgradeRefusal,
  type UpgradeRequest,
  type UpgradeRequestCheck,
  type UpgradeResponseOptions,
} from "../src/protocol/server_handshake.ts";

// ── Heads of HTTP/1.1 ──

export {
  type HeadLimits,
  HttpHeadError,
  type RequestHead,
  RequestHeadReader,
  type ResponseHead,
  ResponseHeadReader,
} from "../src/http/head.ts";
export type { RequestLine, StatusLine } from "../src/http/grammar.ts";
export { encodeRequestHead, encodeResponseHead, statusText } from "../src/http/head_writer.ts";
export {
  type Extension,
  type ExtensionParam,
  formatExtensionList,
  HeaderFields,
  parseExtensionList,
} from "../src/http/header_fields.ts";

// ── Compression ──

export {
  acceptDeflate,
  checkDeflateResponse,
  type DeflateParameters,
  type DeflateWishes,
  offerDeflate,
  PERMESSAGE_DEFLATE,
} from "../src/protocol/deflate_negotiation.ts";
export { DeflatePool } from "../src/protocol/deflate_pool.ts";
export type { Deflater, DeflateSink, Inflater, RawDeflate } from "../src/bytes/raw_deflate.ts";
export { rawDeflate } from "../adapters/zlib.ts";

// ── Bytes and text ──

export { BufferPool } from "../src/bytes/buffer_pool.ts";
export type { TextCodec } from "../src/bytes/text.ts";
export { webText } from "../adapters/web_text.ts";
