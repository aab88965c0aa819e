/** Options of UDP sockets, and how they are checked and set. */

import type { DatagramSettings, DatagramSocket } from "./datagram_socket.ts";
import { ipFamily } from "./ip.ts";

/** Initial options of a UDP socket. An option that the runtime does not support fails with `ENOTSUP`. */
export interface UdpOptions {
  /** Whether sending to broadcast addresses is allowed. Default: false. */
  broadcast?: boolean;
  /** Number of hops that a unicast datagram may take, 1 to 255. Default: the system's, 64. */
  ttl?: number;
  /** Number of hops that a multicast datagram may take, 1 to 255. Default: 1. */
  multicastTtl?: number;
  /** Whether multicasts sent by this socket are also received on this machine. Default: true. */
  multicastLoopback?: boolean;
  /** Interface that sends multicasts: its name or one of its addresses. Default: the system's choice. */
  multicastInterface?: string;
  /** Size of the kernel's receive buffer, bytes. Default: the system's. */
  readBuffer?: number;
  /** Size of the kernel's send buffer, bytes. Default: the system's. */
  writeBuffer?: number;
  /** Upper bound of the datagrams that wait to be read; further ones are dropped and counted. Default: 4096. */
  maxQueuedDatagrams?: number;
  /** Upper bound of the bytes that wait to be read; further datagrams are dropped and counted. Default: 4 MiB. */
  maxQueuedBytes?: number;
}

/** Ranges of the numeric options, bounds included. */
const RANGES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  ttl: [1, 255],
  multicastTtl: [1, 255],
  readBuffer: [1, 0x7fffffff],
  writeBuffer: [1, 0x7fffffff],
  maxQueuedDatagrams: [1, Number.MAX_SAFE_INTEGER],
  maxQueuedBytes: [1, Number.MAX_SAFE_INTEGER],
};

/**
 * Checks the numeric options.
 *
 * @param verb operation named by the error
 * @throws {RangeError} when an option is out of its range
 */
export function checkUdpOptions(verb: string, options: UdpOptions): void {
  for (const name of Object.keys(RANGES)) {
    const value: unknown = options[name as keyof UdpOptions];
    if (value !== undefined) checkNumber(verb, name, value);
  }
}

/**
 * Checks one numeric option.
 *
 * @param verb operation named by the error
 * @throws {RangeError} when the value is out of the option's range
 */
export function checkNumber(verb: string, name: string, value: unknown): void {
  const [least, most] = RANGES[name]!;
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw new RangeError(`Cannot ${verb}: ${name} is ${value}, not an integer from ${least} to ${most}`);
}

const SETTINGS = [
  "broadcast",
  "ttl",
  "multicastTtl",
  "multicastLoopback",
  "multicastInterface",
  "readBuffer",
  "writeBuffer",
] as const;

/** The options that are set on the runtime's socket. */
export function settingsOf(options: UdpOptions): DatagramSettings {
  const given = SETTINGS.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

/** Sets the given settings on a socket. */
export function applySettings(socket: DatagramSocket, settings: DatagramSettings): void {
  const { broadcast, ttl, multicastTtl, multicastLoopback, multicastInterface } = settings;
  if (broadcast !== undefined) socket.setBroadcast(broadcast);
  if (ttl !== undefined) socket.setTtl(ttl);
  if (multicastTtl !== undefined) socket.setMulticastTtl(multicastTtl);
  if (multicastLoopback !== undefined) socket.setMulticastLoopback(multicastLoopback);
  if (multicastInterface !== undefined) socket.setMulticastInterface(multicastInterface);
  if (settings.readBuffer !== undefined) socket.setReadBuffer(settings.readBuffer);
  if (settings.writeBuffer !== undefined) socket.setWriteBuffer(settings.writeBuffer);
}

/** Whether an IP address is a multicast address. */
export function isMulticast(address: string): boolean {
  const family = ipFamily(address);
  if (family === 4) return /^(22[4-9]|23\d)\./.test(address);
  return family === 6 && /^ff[0-9a-f]{2}:/i.test(address);
}
