import type { Addr } from "../src/net/addr.ts";
import { NetError, type NetOp } from "../src/net/errors.ts";

/** Codes of runtimes, and the code that the library has for the same cause. */
const CODES: ReadonlyMap<string, string> = new Map([
  ["EAI_AGAIN", "ENOTFOUND"],
  ["EAI_FAIL", "ENOTFOUND"],
  ["EAI_NONAME", "ENOTFOUND"],
  ["ERR_STREAM_DESTROYED", "EPIPE"],
  ["ERR_STREAM_WRITE_AFTER_END", "EPIPE"],
  ["ERR_SOCKET_CLOSED", "EPIPE"],
  ["EBADF", "EPIPE"],
  ["ECANCELED", "EPIPE"],
  ["ENOTCONN", "EPIPE"],
  ["UNKNOWN", "EIO"],
]);

/** Names of Deno's error classes, for errors without a code. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ["AddrInUse", "EADDRINUSE"],
  ["AddrNotAvailable", "EADDRNOTAVAIL"],
  ["BrokenPipe", "EPIPE"],
  ["ConnectionAborted", "ECONNABORTED"],
  ["ConnectionRefused", "ECONNREFUSED"],
  ["ConnectionReset", "ECONNRESET"],
  ["NetworkUnreachable", "ENETUNREACH"],
  ["NotCapable", "EACCES"],
  ["NotFound", "ENOENT"],
  ["PermissionDenied", "EACCES"],
  ["TimedOut", "ETIMEDOUT"],
]);

/** Maps a runtime's error to a `NetError` whose code is the same on every runtime. */
export function netError(error: unknown, op: NetOp, network: string, addr?: Addr | string): NetError {
  if (error instanceof NetError) return error;
  return new NetError({ op, network, addr, code: codeOf(error), cause: error });
}

function codeOf(error: unknown): string {
  const { code, name, message, errors } = Object(error) as {
    code?: unknown;
    name?: string;
    message?: string;
    errors?: unknown[];
  };
  if (typeof code === "string") return CODES.get(code) ?? code;
  if (Array.isArray(errors) && errors.length > 0) return codeOf(errors[0]);
  if (message?.includes("failed to lookup address")) return "ENOTFOUND";
  return NAMES.get(name ?? "") ?? "EIO";
}

/**
 * Makes the error for an option that a runtime lacks for UDP sockets.
 *
 * @param reason what is missing, and what to do instead
 */
export function notSupported(reason: string, addr: Addr): NetError {
  return new NetError({ op: "set", network: "udp", addr, code: "ENOTSUP" }, `not supported: ${reason}`);
}

/** Makes the error for an address that Deno has no permission to bind to; its message names the flag that gives one. */
export function notPermitted(op: NetOp, addr: Addr, bindTo: Addr): NetError {
  const reason = `permission denied: run Deno with --allow-net=${bindTo}, or --allow-net`;
  return new NetError({ op, network: addr.network, addr, code: "EACCES" }, reason);
}

/** Codes by which the network reports that an earlier datagram did not arrive. */
const DELAYED: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENONET",
  "ENOPROTOOPT",
  "EPROTO",
]);

/** Whether the error may be about an earlier datagram than the one that is being sent. */
export function isDelayedError(error: unknown): boolean {
  return DELAYED.has(codeOf(error));
}
