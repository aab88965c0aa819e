/**
 * Sockets, WebSocket and message hubs for Deno, Bun and Node, in the shape of Go's `net`.
 *
 * @module
 */

import { currentAdapter } from "./adapters/runtime.ts";
import type { TcpAddr, UdpAddr } from "./src/net/addr.ts";
import type { Conn, Listener, TcpConn } from "./src/net/conn.ts";
import {
  dialOn,
  type DialOptions,
  listenOn,
  type ListenOptions,
  type StreamNetwork,
} from "./src/net/dial.ts";
import {
  dialTlsOn,
  type DialTlsOptions,
  listenTlsOn,
  type ListenTlsOptions,
  upgradeTlsOn,
  type UpgradeTlsOptions,
} from "./src/net/dial_tls.ts";
import {
  dialUdpOn,
  type DialUdpOptions,
  listenPacketOn,
  type ListenPacketOptions,
} from "./src/net/dial_udp.ts";
import type { PacketConn, UdpConn } from "./src/net/packet_conn.ts";
import { pipeOn } from "./src/net/pipe.ts";
import {
  isPacketNetwork,
  type PacketNetwork,
  type ResolveOptions,
  resolveTcpAddrOn,
  resolveUdpAddrOn,
  type TcpNetwork,
} from "./src/net/resolve.ts";
import { Runtime } from "./src/net/runtime.ts";
import type { TlsConfig, TlsConn } from "./src/net/tls.ts";
import { Hub as HubOn } from "./src/hub/hub.ts";
import type { HubOptions } from "./src/hub/hub_options.ts";
import { dialWebSocketOn, type WebSocketDialOptions } from "./src/websocket/dial_web_socket.ts";
import { type ServeOptions, WebSocketServer } from "./src/websocket/serve.ts";
import { Upgrader as UpgraderOn, type UpgraderOptions } from "./src/websocket/upgrader.ts";
import type { WebSocketConn } from "./src/websocket/web_socket_conn.ts";

const runtime = new Runtime(currentAdapter());

/**
 * Connects to an address. Go: `net.Dial`. A name is looked up, and where it has several addresses whichever answers first
 * is taken, IPv6 and IPv4 in turns, a quarter of a second apart (RFC 8305).
 *
 * By UDP nobody needs to be there: there is only an end to send from, which hears its one peer, over IPv4 if there is any.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses, `"unix"`, `"udp"`, `"udp4"` or `"udp6"`
 * @param address `host:port`; an empty host is this machine. For `"unix"` a path, or on Linux an abstract name `@name`
 * @throws {NetError} `ECONNREFUSED`, `ENOTFOUND`, `ETIMEDOUT`, …; `EADDRNOTAVAIL` for a host of the other family. When
 *   several addresses fail, the code is the first one's, and the cause is an `AggregateError` of them all
 */
export function dial(network: TcpNetwork, address: string, options?: DialOptions): Promise<TcpConn>;
/** By UDP: a socket with one peer. */
export function dial(network: PacketNetwork, address: string, options?: DialUdpOptions): Promise<UdpConn>;
/** The same for any network of streams. */
export function dial(network: StreamNetwork, address: string, options?: DialOptions): Promise<Conn>;
export function dial(
  network: StreamNetwork | PacketNetwork,
  address: string,
  options?: DialOptions & DialUdpOptions,
): Promise<Conn | UdpConn> {
  if (isPacketNetwork(network)) return dialUdpOn(runtime, network, address, options);
  return dialOn(runtime, network, address, options);
}

/**
 * Listens on an address. Go: `net.Listen`. A name stands for one of its addresses, an IPv4 one if there is any.
 *
 * The file of a Unix socket goes when the listener is closed; one that is left over, on which nobody listens, is replaced.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses, or `"unix"`
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one. For `"unix"` a path, or
 *   on Linux an abstract name `@name`
 * @throws {NetError} `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, …
 */
export function listen(
  network: TcpNetwork,
  address: string,
  options?: ListenOptions,
): Promise<Listener<TcpConn>>;
/** The same for any network. */
export function listen(network: StreamNetwork, address: string, options?: ListenOptions): Promise<Listener>;
export function listen(network: StreamNetwork, address: string, options?: ListenOptions): Promise<Listener> {
  return listenOn(runtime, network, address, options);
}

/**
 * Listens for datagrams. Go: `net.ListenPacket`.
 *
 * @param network `"udp"`, or `"udp4"` or `"udp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one
 * @throws {NetError} `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, …; `ENOTSUP` for an option that the runtime does not have
 */
export function listenPacket(
  network: PacketNetwork,
  address: string,
  options?: ListenPacketOptions,
): Promise<PacketConn> {
  return listenPacketOn(runtime, network, address, options);
}

/**
 * Connects to an address under TLS: `dial`, then the handshake. Go: `tls.Dial`. The server must show a certificate that
 * names the host and is signed by an authority that the runtime, or `tls.rootCas`, trusts.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`
 * @throws {TlsError} `ECERTUNTRUSTED`, `ECERTNAME`, `ECERTEXPIRED`, `ENOTTLS`, `ETLS`
 * @throws {NetError} as `dial`; `ETIMEDOUT` when the handshake takes too long
 * @throws {TypeError} when a certificate or a key is none, or they do not belong together
 */
export function dialTls(network: TcpNetwork, address: string, options?: DialTlsOptions): Promise<TlsConn> {
  return dialTlsOn(runtime, network, address, options);
}

/**
 * Listens on an address under TLS. Go: `tls.Listen`. A connection is accepted once its handshake is done; many can be
 * under way, and a slow or failing one holds up nobody.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one
 * @throws {NetError} as `listen`
 * @throws {TypeError} when there is no certificate, one or its key is none, or they do not belong together
 */
export function listenTls(
  network: TcpNetwork,
  address: string,
  options: ListenTlsOptions,
): Promise<Listener<TlsConn>> {
  return listenTlsOn(runtime, network, address, options);
}

/**
 * Puts an open connection under TLS, as `STARTTLS` asks for. Go: `tls.Client` and `tls.Server`. The connection given acts
 * as closed from then on; what came on it and was not read is part of the handshake, and never mistaken for data that
 * came under TLS. It must not be in use by a call that waits.
 *
 * @param conn any connection, also one in memory
 * @throws {TlsError} as `dialTls`
 * @throws {NetError} `ETIMEDOUT` when the handshake takes too long, `ECONNRESET` when the peer leaves in the middle of it
 * @throws {TypeError} when it is in use, a client has no `tls.serverName`, or a certificate or a key is none
 */
export function upgradeTls(conn: Conn, options?: UpgradeTlsOptions): Promise<TlsConn> {
  return upgradeTlsOn(runtime, conn, options);
}

/**
 * Looks up the address of a TCP end, an IPv4 one if there is any. Go: `net.ResolveTCPAddr`.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine
 * @throws {NetError} `ENOTFOUND`; `EADDRNOTAVAIL` for a host of the other family
 */
export function resolveTcpAddr(
  network: TcpNetwork,
  address: string,
  options?: ResolveOptions,
): Promise<TcpAddr> {
  return resolveTcpAddrOn(runtime, network, address, options);
}

/**
 * Looks up the address of a UDP end, an IPv4 one if there is any. Go: `net.ResolveUDPAddr`.
 *
 * @param network `"udp"`, or `"udp4"` or `"udp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine
 * @throws {NetError} `ENOTFOUND`; `EADDRNOTAVAIL` for a host of the other family
 */
export function resolveUdpAddr(
  network: PacketNetwork,
  address: string,
  options?: ResolveOptions,
): Promise<UdpAddr> {
  return resolveUdpAddrOn(runtime, network, address, options);
}

/** Two ends of a connection in memory. Go: `net.Pipe`. */
export function pipe(): [Conn, Conn] {
  return pipeOn(runtime);
}

// ── WebSocket ──

/**
 * Connects to a WebSocket server. Go: gorilla's `Dialer.Dial`.
 *
 * @param url `ws://host:port/path`, or `wss:` for TLS
 * @throws {SyntaxError} when the URL is none of a WebSocket
 * @throws {HandshakeError} when the server refuses; with its status, headers and the start of its body
 * @throws {NetError} when it cannot be reached
 * @throws {TlsError} when TLS fails, as `dialTls`
 */
export function dialWebSocket(url: string | URL, options?: WebSocketDialOptions): Promise<WebSocketConn> {
  return dialWebSocketOn(runtime, url, options);
}

/** Serves WebSockets and plain requests on a listener. Go: `http.Serve`. */
export function serve(listener: Listener, options: ServeOptions): WebSocketServer {
  return new WebSocketServer(runtime, listener, options);
}

/** What `listenAndServe` takes. */
export interface ListenAndServeOptions extends ServeOptions {
  /** Serves `wss:` and `https:`, on TCP. Its application protocol is `http/1.1` if nothing else is said. */
  tls?: TlsConfig;
}

/**
 * Listens and serves. Go: `http.ListenAndServe` and `http.ListenAndServeTLS`.
 *
 * @returns the server, once it listens
 * @throws {NetError} when the address cannot be listened on
 * @throws {TypeError} as `listenTls`
 */
export async function listenAndServe(
  network: StreamNetwork,
  address: string,
  options: ListenAndServeOptions,
): Promise<WebSocketServer> {
  if (options.tls === undefined) return serve(await listen(network, address), options);
  const tls = { nextProtos: ["http/1.1"], ...options.tls };
  return serve(await listenTls(network as TcpNetwork, address, { tls }), options);
}

/** Answers opening handshakes, RFC 6455, 4.2. Go: gorilla's `Upgrader`. */
export class Upgrader extends UpgraderOn {
  /**
   * Makes one.
   *
   * @param options how to answer; see {@linkcode UpgraderOptions}
   */
  constructor(options?: UpgraderOptions) {
    super(runtime, options);
  }
}

export { CloseCode } from "./src/protocol/close_code.ts";
export { MessageTooBigError, ProtocolError } from "./src/protocol/protocol_error.ts";
export {
  CloseError,
  type CloseInfo,
  isCloseError,
  isUnexpectedCloseError,
} from "./src/websocket/close_error.ts";
export type { WebSocketDialOptions } from "./src/websocket/dial_web_socket.ts";
export type { WriteOptions } from "./src/websocket/engine.ts";
export { HandshakeError } from "./src/websocket/handshake_error.ts";
export type { Bytes, Message, MessageData, MessageType } from "./src/websocket/message.ts";
export { MemoryBudget, type MemoryHolder } from "./src/websocket/memory_budget.ts";
export type { CompressionOptions } from "./src/websocket/compression.ts";
export type { MessageReader } from "./src/websocket/message_reader.ts";
export type { MessageWriter } from "./src/websocket/message_writer.ts";
export type { KeepaliveOptions, WebSocketOptions } from "./src/websocket/options.ts";
export { type MessageEncoding, PreparedMessage } from "./src/websocket/prepared_message.ts";
export type { RequestHandlerOptions } from "./src/websocket/request_handler.ts";
export type { ConnInfo, ServeOptions, ShutdownOptions, UpgradeResult } from "./src/websocket/serve.ts";
export { WebSocketServer } from "./src/websocket/serve.ts";
export { isWebSocketUpgrade, type UpgradeExtras, type UpgraderOptions } from "./src/websocket/upgrader.ts";
export { WebSocketConn } from "./src/websocket/web_socket_conn.ts";

// ── Hub ──

/** Passes messages to many connections. Go: the Hub of gorilla's chat example. */
export class Hub<Data = unknown> extends HubOn<Data> {
  /**
   * Makes one.
   *
   * @param options bounds, timing, hooks and handlers; see {@linkcode HubOptions}
   * @throws {RangeError} when a number is not positive
   * @throws {TypeError} when a policy is none
   */
  constructor(options?: HubOptions<Data>) {
    super(runtime, options);
  }
}

export type { Broker, Subscription } from "./src/hub/broker.ts";
export { codecEncoding, ConnMember } from "./src/hub/conn_member.ts";
export type { DrainOptions, DrainReport } from "./src/hub/drain.ts";
export type { HistogramSnapshot } from "./src/hub/histogram.ts";
export { HubClient, type PublishOptions, type SendOptions } from "./src/hub/hub_client.ts";
export type { HubStats } from "./src/hub/hub_counters.ts";
export type { BroadcastOptions, HubOptions, RegisterOptions } from "./src/hub/hub_options.ts";
export type { LivenessOptions } from "./src/hub/liveness.ts";
export { MemoryBroker } from "./src/hub/memory_broker.ts";
export type { MessageBatch, MessageMark } from "./src/websocket/message_batch.ts";
export type { HubSocket } from "./src/hub/member.ts";
export type { OverflowEvent } from "./src/hub/overflow_reports.ts";
export type { OverflowPolicy, QueueOptions } from "./src/hub/queue_policy.ts";
export type { RefusalReason, RequestHooks, RequestResult } from "./src/hub/requests.ts";
export { Room, type RoomBroadcastOptions } from "./src/hub/room.ts";
export { type RateLimit, type RateSettings, TokenBucket } from "./src/hub/token_bucket.ts";

// ── Framing ──

export type { Codec, Decoder, Encoder } from "./src/framing/codec.ts";
export { FrameError, FrameFormatError, FrameTooLongError } from "./src/framing/codec.ts";
export { type Delimiter, DelimiterCodec, type DelimiterOptions } from "./src/framing/delimiter.ts";
export { FixedLengthCodec } from "./src/framing/fixed_length.ts";
export { FramedPackets, type PacketItem } from "./src/framing/framed_packets.ts";
export { Framed, type FramedConn } from "./src/framing/framed.ts";
export { DecoderStream, EncoderStream } from "./src/framing/framed_streams.ts";
export { JsonLinesCodec, type JsonLinesOptions } from "./src/framing/json_lines.ts";
export { JsonTextsCodec, type JsonTextsOptions } from "./src/framing/json_texts.ts";
export type { TooLongPolicy } from "./src/framing/line_reader.ts";
export { LengthDelimitedCodec, type LengthDelimitedOptions } from "./src/framing/length_delimited.ts";
export { LinesCodec, type LinesOptions } from "./src/framing/lines.ts";
export { type ItemMapping, mapCodec } from "./src/framing/map_codec.ts";
export { ByteBuffer } from "./src/bytes/byte_buffer.ts";

// ── Sockets ──

export type { Addr, PipeAddr, TcpAddr, UdpAddr, UnixAddr } from "./src/net/addr.ts";
export { joinHostPort, splitHostPort } from "./src/net/addr.ts";
export type { Conn, Listener, Reader, TcpConn, WaitOptions, Writer } from "./src/net/conn.ts";
export type { Deadline } from "./src/net/deadline.ts";
export { copy, readAll, type ReadAllOptions, readFull } from "./src/net/io.ts";
export type { DialOptions, ListenOptions, StreamNetwork } from "./src/net/dial.ts";
export type {
  DialTlsOptions,
  HandshakeOptions,
  ListenTlsOptions,
  UpgradeTlsOptions,
} from "./src/net/dial_tls.ts";
export type { TlsCertificate, TlsConfig, TlsConn, TlsConnectionState, TlsRole } from "./src/net/tls.ts";
export type { DialUdpOptions, ListenPacketOptions } from "./src/net/dial_udp.ts";
export type { Datagram, GroupOptions, Packet, PacketConn, UdpConn } from "./src/net/packet_conn.ts";
export type { UdpOptions } from "./src/net/udp_options.ts";
export type { PacketNetwork, ResolveOptions, TcpNetwork } from "./src/net/resolve.ts";
export {
  ClosedError,
  DeadlineExceededError,
  NetError,
  type NetOp,
  TlsError,
  UnexpectedEofError,
} from "./src/net/errors.ts";
export type { TcpOptions } from "./src/net/socket_conn.ts";
