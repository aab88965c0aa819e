/**
 * Causes of a failed connect or listen on Bun, whose `connect` gives ECONNREFUSED also where the kernel said that there is
 * no route, no descriptor or no such directory. Such a cause lasts, so that a moment later a call that sends nothing finds
 * it: one that opens another descriptor, connects a UDP socket to the same address, or looks at the path.
 */

import { access, constants } from "node:fs/promises";
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { ipFamily } from "../src/net/ip.ts";
import type { SocketTarget } from "../src/net/stream_socket.ts";

/** The part of Bun that is used here, declared so that every type checker can read this file. */
export interface BunUdp {
  udpSocket(
    options: { hostname: string; connect: { hostname: string; port: number } },
  ): Promise<{ close(): void }>;
}
declare const Bun: BunUdp;

/** Codes of a UDP connect, and the code that TCP has for the same cause. EACCES: a broadcast address, unreachable to TCP. */
const UNREACHABLE: ReadonlyMap<string, string> = new Map([
  ["EACCES", "ENETUNREACH"],
  ["EHOSTUNREACH", "EHOSTUNREACH"],
  ["ENETDOWN", "ENETDOWN"],
  ["ENETUNREACH", "ENETUNREACH"],
]);

/** Gives the error of a failed connect the code of its cause, where ECONNREFUSED is wrong. */
export async function connectCause(error: unknown, target: SocketTarget): Promise<unknown> {
  if (codeOf(error) !== "ECONNREFUSED") return error;
  const code = descriptorFault() ??
    (target.network === "unix"
      ? await pathFault(target.path)
      : await routeFault(target.hostname, target.port));
  return withCode(error, code);
}

/** Gives the error of a failed listen a code, where it has none and the cause is found. */
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
  // An abstract name is not a path.
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
