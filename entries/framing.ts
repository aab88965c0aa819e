/**
 * Codecs, which split a stream of bytes into messages, and the classes that apply one to a connection.
 *
 * @module
 */

export type { Codec, Decoder, Encoder } from "../src/framing/codec.ts";
export { FrameError, FrameFormatError, FrameTooLongError } from "../src/framing/codec.ts";
export { type Delimiter, DelimiterCodec, type DelimiterOptions } from "../src/framing/delimiter.ts";
export { FixedLengthCodec } from "../src/framing/fixed_length.ts";
export { FramedPackets, type PacketItem } from "../src/framing/framed_packets.ts";
export { Framed, type FramedConn } from "../src/framing/framed.ts";
export { DecoderStream, EncoderStream } from "../src/framing/framed_streams.ts";
export { JsonLinesCodec, type JsonLinesOptions } from "../src/framing/json_lines.ts";
export { JsonTextsCodec, type JsonTextsOptions } from "../src/framing/json_texts.ts";
export type { TooLongPolicy } from "../src/framing/line_reader.ts";
export { LengthDelimitedCodec, type LengthDelimitedOptions } from "../src/framing/length_delimited.ts";
export { LinesCodec, type LinesOptions } from "../src/framing/lines.ts";
export { type ItemMapping, mapCodec } from "../src/framing/map_codec.ts";
export { ByteBuffer } from "../src/bytes/byte_buffer.ts";
