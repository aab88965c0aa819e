/** The options of UDP sockets: what they are, whether they make sense, and how they are set. */

import type { DatagramSettings, DatagramSocket } from "./datagram_socket.ts";
import { ipFamily } from "./ip.ts";

/** What can be set from the start. What a runtime cannot do fails with `ENOTSUP`. */
export interface UdpOptions {
  /** Allows sending to broadcast addresses. Default: false. */
  broadcast?: boolean;
  /** How many hops a datagram may take, 1 to 255. Default: the system's, 64. */
  ttl?: number;
  /** The same for multicasts. Default: 1. */
  multicastTtl?: number;
  /** Whether what is sent to a group is heard on this machine too. Default: true. */
  multicastLoopback?: boolean;
  /** On which interface to send multicasts, by name or by one of its addresses. Default: the system's choice. */
  multicastInterface?: string;
  /** The size of the kernel's receive buffer, bytes. Default: the system's. */
  readBuffer?: number;
  /** The size of the kernel's send buffer, bytes. Default: the system's. */
  writeBuffer?: number;
  /** Datagrams that wait to be read; more are dropped and counted. Default: 4096. */
  maxQueuedDatagrams?: number;
  /** Their bytes. Default: 4 MiB. */
  maxQueuedBytes?: number;
}

/** Numbers that an option may have. */
const RANGES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  ttl: [1, 255],
  multicastTtl: [1, 255],
  readBuffer: [1, 0x7fffffff],
  writeBuffer: [1, 0x7fffffff],
  maxQueuedDatagrams: [1, Number.MAX_SAFE_INTEGER],
  maxQueuedBytes: [1, Number.MAX_SAFE_INTEGER],
};

/** @throws {RangeError} when a number is out of its range */
export function checkUdpOptions(verb: string, options: UdpOptions): void {
  for (const name of Object.keys(RANGES)) {
    const value: unknown = options[name as keyof UdpOptions];
    if (value !== undefined) checkNumber(verb, name, value);
  }
}

/** @throws {RangeError} when it is out of its range */
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

/** Those of the options that are the socket's. */
export function settingsOf(options: UdpOptions): DatagramSettings {
  const given = SETTINGS.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

/** Sets what was asked for. */
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

/** Whether an IP address is that of a multicast group. */
export function isMulticast(address: string): boolean {
  const family = ipFamily(address);
  if (family === 4) return /^(22[4-9]|23\d)\./.test(address);
  return family === 6 && /^ff[0-9a-f]{2}:/i.test(address);
}
