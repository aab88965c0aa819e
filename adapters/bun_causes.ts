/**
 * Why Bun could not connect or listen. Its `connect` says ECONNREFUSED also where the kernel said that there is no
 * route, no descriptor or no such directory. What is at fault is still so a moment later, and is asked for by calls that
 * send nothing: another descriptor, a UDP socket to the same place, a look at the path.
 */

import { access, constants } from "node:fs/promises";
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { ipFamily } from "../src/net/ip.ts";
import type { SocketTarget } from "../src/net/stream_socket.ts";

/** What is used of Bun, so that every type checker can read this file. */
export interface BunUdp {
  udpSocket(
    options: { hostname: string; connect: { hostname: string; port: number } },
  ): Promise<{ close(): void }>;
}
declare const Bun: BunUdp;

/** What UDP may tell of TCP. It is forbidden to speak to a broadcast address, which TCP does not reach. */
const UNREACHABLE: ReadonlyMap<string, string> = new Map([
  ["EACCES", "ENETUNREACH"],
  ["EHOSTUNREACH", "EHOSTUNREACH"],
  ["ENETDOWN", "ENETDOWN"],
  ["ENETUNREACH", "ENETUNREACH"],
]);

/** The error of a failed connect, with its own code when ECONNREFUSED is not it. */
export async function connectCause(error: unknown, target: SocketTarget): Promise<unknown> {
  if (codeOf(error) !== "ECONNREFUSED") return error;
  const code = descriptorFault() ??
    (target.network === "unix"
      ? await pathFault(target.path)
      : await routeFault(target.hostname, target.port));
  return withCode(error, code);
}

/** The error of a failed listen, with a code when the cause is known. */
export function listenCause(error: unknown): unknown {
  return codeOf(error) === undefined ? withCode(error, descriptorFault()) : error;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

function withCode(error: unknown, code: string | null): unknown {
  if (code === null) return error;
  return Object.assign(new Error(code, { cause: error }), { code });
}

function descriptorFault(): string | null {
  try {
    closeSync(openSync(devNull, "r"));
    return null;
  } catch (error) {
    const code = codeOf(error);
    return code === "EMFILE" || code === "ENFILE" ? code : null;
  }
}

async function pathFault(path: string): Promise<string | null> {
  // An abstract name is no path.
  if (path.startsWith("@")) return null;
  return await access(path, constants.F_OK).then(() => null, (error) => String(codeOf(error)));
}

async function routeFault(hostname: string, port: number): Promise<string | null> {
  const anywhere = ipFamily(hostname) === 4 ? "0.0.0.0" : "::";
  try {
    (await Bun.udpSocket({ hostname: anywhere, connect: { hostname, port } })).close();
    return null;
  } catch (error) {
    return UNREACHABLE.get(String(codeOf(error))) ?? null;
  }
}
