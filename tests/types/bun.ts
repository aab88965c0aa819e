/** Checks the adapter's declarations of Bun against Bun's own types: a difference is a type error here. */

import type { BunSockets, BunTcpListener } from "../../adapters/bun.ts";
import type { BunUdp } from "../../adapters/bun_causes.ts";
import type { BunTcpSocket } from "../../adapters/bun_socket.ts";
import type { BunDatagrams, BunUdpOptions, BunUdpSocket } from "../../adapters/bun_datagram.ts";

// The adapter passes either type; each has an overload of its own.
type Listening = Omit<Parameters<BunSockets["listen"]>[0], "hostname" | "port" | "unix">;
export const tcp: (options: Listening & { hostname: string; port: number }) => BunTcpListener = Bun.listen;
export const unix: (options: Listening & { unix: string }) => Pick<BunTcpListener, "ref" | "unref" | "stop"> =
  Bun.listen;

export const socket = (real: Bun.Socket<BunTcpSocket["data"]>): BunTcpSocket => real;

type Bound = Omit<BunUdpOptions, "connect">;
type Connected = Bound & { connect: NonNullable<BunUdpOptions["connect"]> };
export const bound: (options: Bound) => Promise<BunUdpSocket> = Bun.udpSocket;
export const connected: (options: Connected) => ReturnType<BunDatagrams["udpSocket"]> = Bun.udpSocket;
export const causes: BunUdp = Bun;
