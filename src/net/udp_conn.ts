import { showFields } from "../bytes/inspection.ts";
import { isMadeUdpAddr, joinHostPort, splitHostPort, type UdpAddr, udpAddr } from "./addr.ts";
import { checkBytes } from "./check_bytes.ts";
import type { WaitOptions } from "./conn.ts";
import { DatagramQueue, type QueuedDatagram } from "./datagram_queue.ts";
import { DatagramSends } from "./datagram_sends.ts";
import type { DatagramHandler, DatagramSocket, OutgoingDatagram } from "./datagram_socket.ts";
import { type Deadline, DeadlineTimer } from "./deadline.ts";
import { ClosedError, DeadlineExceededError, NetError, type NetOp } from "./errors.ts";
import { handled, rejected } from "./handled.ts";
import { ipFamily, sameAddress } from "./ip.ts";
import { MulticastGroups } from "./multicast_groups.ts";
import type { Datagram, GroupOptions, Packet, PacketConn, UdpConn } from "./packet_conn.ts";
import { Deferred } from "./deferred.ts";
import type { Runtime } from "./runtime.ts";
import { Alarm, type TimerQueue } from "./timer_queue.ts";
import { checkNumber, type UdpOptions } from "./udp_options.ts";
import { WaitQueue } from "./wait_queue.ts";

/** Longest payload of a datagram, bytes: 65535 less the headers. IPv6 does not count its own header. */
const LONGEST_IPV4 = 65507;
const LONGEST_IPV6 = 65527;

const DEFAULT_DATAGRAMS = 4096;
const DEFAULT_BYTES = 4 << 20;

/** Upper bound of the time for which a closed socket still sends what was written before, milliseconds. */
const CLOSE_TIMEOUT = 1000;

const EVERYBODY = "255.255.255.255";

/** The {@linkcode PacketConn} over a runtime's datagram socket. */
export class UdpPacketConn implements PacketConn, DatagramHandler {
  readonly localAddr: UdpAddr;
  readonly #socket: DatagramSocket;
  readonly #timers: TimerQueue;
  /** The only peer to receive from; `null` for a socket that was not dialled. */
  readonly #peer: UdpAddr | null;
  readonly #family: 4 | 6 | 0;

  readonly #queue: DatagramQueue;
  readonly #reads = new WaitQueue<Datagram, Uint8Array | undefined>();
  readonly #readDeadline: DeadlineTimer;
  #dropped = 0;

  readonly #sends: DatagramSends;
  readonly #writeDeadline: DeadlineTimer;
  #broadcast: boolean;
  /** The destination used last, as the caller gave it and as the socket needs it. */
  #last: { given: UdpAddr | string; addr: UdpAddr } | null = null;

  readonly #groups: MulticastGroups;
  /** Error that the network reported for an earlier datagram, with which the next call fails. */
  #refusal: NetError | null = null;
  #open = true;
  /** Ends the sends that `close` waits for; `null` while it waits for none. */
  #closing: Alarm | null = null;
  /** The error that broke the socket. */
  #error: NetError | null = null;
  readonly #closed = new Deferred<void>();
  #signal: AbortSignal | null = null;
  readonly #onAbort = (): void => void this.close();

  constructor(socket: DatagramSocket, runtime: Runtime, options: UdpOptions, peer: UdpAddr | null = null) {
    const { timers, flushQueue } = runtime;
    this.#socket = socket;
    this.#timers = timers;
    this.#peer = peer;
    this.localAddr = socket.localAddr;
    this.#family = ipFamily(socket.localAddr.hostname);
    this.#broadcast = options.broadcast ?? false;
    const { maxQueuedDatagrams = DEFAULT_DATAGRAMS, maxQueuedBytes = DEFAULT_BYTES } = options;
    this.#queue = new DatagramQueue(maxQueuedDatagrams, maxQueuedBytes);
    this.#readDeadline = new DeadlineTimer(timers, () => this.#reads.rejectAll(this.#expired("read")));
    this.#sends = new DatagramSends(socket, flushQueue, () => this.#onAllSent());
    this.#writeDeadline = new DeadlineTimer(timers, () => this.#onWriteExpired());
    this.#groups = new MulticastGroups(socket);
    socket.start(this);
  }

  /** Closes the socket when the signal is aborted. */
  closeWith(signal: AbortSignal): void {
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort);
  }

  // ── Reading ──

  get dropped(): number {
    return this.#dropped;
  }

  async readFrom(into?: Uint8Array, options?: WaitOptions): Promise<Datagram> {
    if (into !== undefined) into = checkBytes("read", "into", into);
    this.#checkOpen("read");
    options?.signal?.throwIfAborted();
    if (this.#readDeadline.expired) throw this.#expired("read");
    this.#throwRefusal("read");
    if (this.#reads.size === 0) {
      const next = this.#queue.shift();
      if (next !== undefined) return handOver(next, into);
    }
    const result = this.#reads.wait(into, options?.signal);
    this.#readDeadline.startWait();
    return result;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Datagram> {
    while (this.#open) {
      try {
        yield await this.readFrom();
      } catch (error) {
        if (error instanceof ClosedError) return;
        throw error;
      }
    }
  }

  onDatagram(data: Uint8Array, hostname: string, port: number): void {
    if (!this.#open) return;
    const addr = udpAddr(hostname, port);
    if (this.#peer !== null && !this.#isPeer(addr)) return;
    if (this.#reads.size === 0) {
      if (!this.#queue.push({ data, addr })) this.#dropped++;
      return;
    }
    this.#reads.resolveFirst(handOver({ data, addr }, this.#reads.first));
    if (this.#reads.size === 0) this.#readDeadline.endWait();
  }

  /** Whether a datagram came from the peer. The kernel of a connected socket has already dropped all others. */
  #isPeer({ hostname, port }: UdpAddr): boolean {
    const peer = this.#peer!;
    return this.#socket.connected || port === peer.port && sameAddress(hostname, peer.hostname);
  }

  // ── Writing ──

  writeTo(p: Uint8Array, addr: UdpAddr | string, options?: WaitOptions): Promise<number> {
    try {
      p = checkBytes("write", "p", p);
      if (this.#peer !== null) throw this.#connectedError();
      return this.#writeOne({ data: p, addr: this.#destination(addr) }, options);
    } catch (error) {
      return rejected(error);
    }
  }

  writeMany(packets: readonly Packet[], options?: WaitOptions): Promise<number> {
    try {
      const sent = this.#write(this.#datagramsOf(packets), options);
      return typeof sent === "number" ? Promise.resolve(sent) : handled(sent);
    } catch (error) {
      return rejected(error);
    }
  }

  #datagramsOf(packets: readonly Packet[]): OutgoingDatagram[] {
    const datagrams: OutgoingDatagram[] = [];
    for (const packet of packets) {
      const { addr } = packet, data = checkBytes("write", "data", packet.data);
      if (this.#peer === null) {
        if (addr === undefined) {
          throw new TypeError("Cannot write: a packet has no addr, and the socket was not dialled");
        }
        datagrams.push({ data, addr: this.#destination(addr) });
      } else {
        if (addr !== undefined) throw this.#connectedError();
        datagrams.push(this.#toPeer(data));
      }
    }
    return datagrams;
  }

  /** Sends one datagram to the peer of a dialled socket. */
  protected writeToPeer(p: Uint8Array, options?: WaitOptions): Promise<number> {
    try {
      p = checkBytes("write", "p", p);
      return this.#writeOne(this.#toPeer(p), options);
    } catch (error) {
      return rejected(error);
    }
  }

  #writeOne(datagram: OutgoingDatagram, options?: WaitOptions): Promise<number> {
    const { length } = datagram.data;
    const sent = this.#write([datagram], options);
    return typeof sent === "number" ? Promise.resolve(length) : handled(sent.then(() => length));
  }

  #toPeer(data: Uint8Array): OutgoingDatagram {
    return { data, addr: this.#socket.connected ? null : this.#asSent(this.#peer!) };
  }

  #write(datagrams: readonly OutgoingDatagram[], options?: WaitOptions): number | Promise<number> {
    this.#checkOpen("write");
    options?.signal?.throwIfAborted();
    if (this.#writeDeadline.expired) throw this.#expired("write");
    this.#throwRefusal("write");
    const sendable = datagrams.findIndex((datagram) => this.#faultOf(datagram) !== null);
    if (sendable === 0) throw this.#faultOf(datagrams[0]!);
    const sent = this.#sends.send(sendable < 0 ? datagrams : datagrams.slice(0, sendable), options?.signal);
    if (typeof sent !== "number") this.#writeDeadline.startWait();
    return sent;
  }

  /** The error for a datagram that every kernel refuses, though with different codes; `null` for any other. */
  #faultOf({ data, addr }: OutgoingDatagram): NetError | null {
    const to = addr ?? this.#peer!;
    const viaIpv6 = to.hostname.includes(":");
    let code: string | null = null;
    if (viaIpv6 !== (this.#family === 6)) code = "EAFNOSUPPORT";
    else if (data.length > LONGEST_IPV4 && isTooLong(data, to)) code = "EMSGSIZE";
    else if (to.port === 0) code = "EINVAL";
    else if (to.hostname === EVERYBODY && !this.#broadcast) code = "EACCES";
    return code === null ? null : new NetError({ op: "write", network: "udp", addr: to, code });
  }

  #destination(given: UdpAddr | string): UdpAddr {
    const last = this.#last;
    if (last !== null && given === last.given) return last.addr;
    const addr = this.#asSent(typeof given === "string" ? parseDestination(given) : checkDestination(given));
    this.#last = { given, addr };
    return addr;
  }

  /** The address as the socket needs it: an IPv6 socket sends to IPv4 by an IPv4-mapped address. */
  #asSent(addr: UdpAddr): UdpAddr {
    return this.#family === 6 && !addr.hostname.includes(":") ? mappedAddr(addr) : addr;
  }

  #connectedError(): NetError {
    return new NetError({ op: "write", network: "udp", addr: this.#peer!, code: "EISCONN" });
  }

  onSent(error: NetError | null): void {
    this.#sends.onSent(error);
  }

  #onAllSent(): void {
    this.#writeDeadline.endWait();
    if (this.#closing !== null) this.#closeSocket();
  }

  #onWriteExpired(): void {
    this.#sends.rejectAll(this.#expired("write"));
    if (this.#closing !== null) this.#closeSocket();
  }

  // ── Errors reported by the network ──

  onError(error: NetError): void {
    if (!this.#open) return;
    if (this.#reads.size === 0) {
      this.#refusal = error;
      return;
    }
    this.#reads.rejectFirst(seenBy("read", error));
    if (this.#reads.size === 0) this.#readDeadline.endWait();
  }

  #throwRefusal(op: NetOp): void {
    const refusal = this.#refusal;
    if (refusal === null) return;
    this.#refusal = null;
    throw seenBy(op, refusal);
  }

  // ── Settings ──

  setBroadcast(on = true): void {
    this.#set().setBroadcast(on);
    this.#broadcast = on;
  }

  setTtl(hops: number): void {
    checkNumber("set", "ttl", hops);
    this.#set().setTtl(hops);
  }

  setMulticastTtl(hops: number): void {
    checkNumber("set", "multicastTtl", hops);
    this.#set().setMulticastTtl(hops);
  }

  setMulticastLoopback(on: boolean): void {
    this.#set().setMulticastLoopback(on);
  }

  setMulticastInterface(name: string): void {
    this.#set().setMulticastInterface(name);
  }

  setReadBuffer(bytes: number): void {
    checkNumber("set", "readBuffer", bytes);
    this.#set().setReadBuffer(bytes);
  }

  setWriteBuffer(bytes: number): void {
    checkNumber("set", "writeBuffer", bytes);
    this.#set().setWriteBuffer(bytes);
  }

  async joinGroup(group: string, options: GroupOptions = {}): Promise<void> {
    this.#checkOpen("set");
    await this.#groups.join(group, options);
  }

  async leaveGroup(group: string, options: GroupOptions = {}): Promise<void> {
    this.#checkOpen("set");
    await this.#groups.leave(group, options);
  }

  #set(): DatagramSocket {
    this.#checkOpen("set");
    return this.#socket;
  }

  // ── Deadlines ──

  setDeadline(t: Deadline): void {
    this.setReadDeadline(t);
    this.setWriteDeadline(t);
  }

  setReadDeadline(t: Deadline): void {
    this.#readDeadline.set(t);
  }

  setWriteDeadline(t: Deadline): void {
    this.#writeDeadline.set(t);
  }

  #expired(op: NetOp): DeadlineExceededError {
    return new DeadlineExceededError(op, "udp", this.#named);
  }

  // ── Closing ──

  close(): Promise<void> {
    if (this.#open) {
      this.#end(null);
      if (this.#sends.idle) this.#closeSocket();
      else this.#closeLater();
    }
    return this.#closed.promise;
  }

  /** Closes the socket once what was written before is sent, or `CLOSE_TIMEOUT` has passed. */
  #closeLater(): void {
    this.#closing = new Alarm(() => this.#closeSocket());
    this.#timers.set(this.#closing, this.#timers.now() + CLOSE_TIMEOUT);
  }

  #closeSocket(): void {
    this.#endSends();
    this.#socket.close();
  }

  /** Ends the application's part: fails the waiting reads, and drops unread datagrams. Sends may still be under way. */
  #end(error: NetError | null): void {
    this.#open = false;
    this.#error = error;
    this.#queue.clear();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#readDeadline.stop();
    this.#reads.rejectAll(this.#endError("read"));
  }

  /** Fails the sends that still wait. */
  #endSends(): void {
    if (this.#closing !== null) this.#timers.clear(this.#closing);
    this.#closing = null;
    this.#writeDeadline.stop();
    this.#sends.rejectAll(this.#endError("write"));
  }

  onClose(error: NetError | null): void {
    if (this.#open) this.#end(error);
    else if (this.#closing !== null) this.#error = error;
    this.#endSends();
    this.#closed.resolve();
  }

  #checkOpen(op: NetOp): void {
    if (!this.#open) throw this.#endError(op);
  }

  #endError(op: NetOp): NetError {
    return this.#error === null ? new ClosedError(op, "udp", this.#named) : seenBy(op, this.#error);
  }

  /** The address that errors name. */
  get #named(): UdpAddr {
    return this.#peer ?? this.localAddr;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  ref(): void {
    if (this.#open) this.#socket.ref();
  }

  unref(): void {
    if (this.#open) this.#socket.unref();
  }
}

/** The {@linkcode UdpConn} over a runtime's datagram socket. */
export class UdpPeerConn extends UdpPacketConn implements UdpConn {
  readonly remoteAddr: UdpAddr;

  constructor(socket: DatagramSocket, runtime: Runtime, options: UdpOptions, peer: UdpAddr) {
    super(socket, runtime, options, peer);
    this.remoteAddr = peer;
  }

  async read(p: Uint8Array, options?: WaitOptions): Promise<number> {
    return (await this.readFrom(checkBytes("read", "p", p), options)).data.length;
  }

  write(p: Uint8Array, options?: WaitOptions): Promise<number> {
    return this.writeToPeer(p, options);
  }
}

function handOver({ data, addr }: QueuedDatagram, into: Uint8Array | undefined): Datagram {
  if (into === undefined) return { data: data as Uint8Array<ArrayBuffer>, addr, truncated: false };
  const part = data.length <= into.length ? data : data.subarray(0, into.length);
  into.set(part);
  const filled = into.subarray(0, part.length) as Uint8Array<ArrayBuffer>;
  return { data: filled, addr, truncated: part.length < data.length };
}

function parseDestination(address: string): UdpAddr {
  const { hostname, port } = splitHostPort(address);
  if (ipFamily(hostname) !== 0) return udpAddr(hostname, port);
  throw new TypeError(
    `Cannot write: the host of "${address}" is not an IP address; look it up with resolveUdpAddr`,
  );
}

/** Checks an address that the application may have written itself, by reading it like a text. */
function checkDestination(addr: UdpAddr): UdpAddr {
  if (isMadeUdpAddr(addr)) return addr;
  const { hostname, port } = Object(addr);
  return parseDestination(joinHostPort(String(hostname), port));
}

function isTooLong({ length }: Uint8Array, { hostname }: UdpAddr): boolean {
  return length > (hostname.includes(".") || !hostname.includes(":") ? LONGEST_IPV4 : LONGEST_IPV6);
}

/** The IPv4-mapped form of an IPv4 address, for an IPv6 socket. Errors still name the IPv4 address. */
function mappedAddr(addr: UdpAddr): UdpAddr {
  return {
    network: "udp",
    hostname: `::ffff:${addr.hostname}`,
    port: addr.port,
    toString: () => String(addr),
  };
}

function seenBy(op: NetOp, error: NetError): NetError {
  if (error.op === op) return error;
  const { network, addr, code, cause } = error;
  return new NetError({ op, network, addr, code, cause });
}

showFields(UdpPacketConn, ({ localAddr, dropped }) => ({ local: String(localAddr), dropped }));
showFields(UdpPeerConn, ({ localAddr, remoteAddr, dropped }) => (
  { local: String(localAddr), remote: String(remoteAddr), dropped }
));
