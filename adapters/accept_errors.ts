/** Errors of `accept`, on runtimes that report them. */

/** Codes of an `accept` without a free descriptor or without memory, which only time mends. */
const EXHAUSTED: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

/**
 * Codes by which `accept` reports what became of the connection it would have returned: the peer has reset it, the network
 * failed, or a firewall forbids it. Linux: accept(2), "Error handling".
 */
const CONNECTION_LOST: ReadonlySet<string> = new Set([
  "ECONNABORTED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "ENONET",
  "ENOPROTOOPT",
  "ENOTCONN",
  "EOPNOTSUPP",
  "EPERM",
  "EPROTO",
  "ETIMEDOUT",
]);

/** Names of Deno's error classes for lost connections, for errors without a code. */
const LOST_NAMES: ReadonlySet<string> = new Set(["ConnectionAborted", "ConnectionReset", "NotConnected"]);

/** Whether `accept` failed for want of descriptors or memory, so that another call at once would fail too. */
export function isExhausted(error: unknown): boolean {
  return EXHAUSTED.has((error as { code?: string }).code ?? "");
}

/** Whether `accept` failed for one connection alone, so that the next call may succeed at once. */
export function isConnectionLost(error: unknown): boolean {
  const { code, name } = Object(error) as { code?: string; name?: string };
  return code === undefined ? LOST_NAMES.has(name ?? "") : CONNECTION_LOST.has(code);
}
