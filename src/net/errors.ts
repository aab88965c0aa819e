/**
 * The errors of sockets:
 *
 * ```text
 * Error
 * ├── NetError                   an operation on a socket failed; `code` says why
 * │   ├── DeadlineExceededError  the deadline passed (`timeout` is true); the socket stays usable
 * │   ├── ClosedError            the socket was closed on this side
 * │   └── TlsError               TLS failed; `code` says why
 * └── UnexpectedEofError         the stream ended before all expected bytes had arrived
 * ```
 */

import type { Addr } from "./addr.ts";

/** The operation during which a socket failed. */
export type NetOp =
  | "lookup"
  | "dial"
  | "listen"
  | "accept"
  | "read"
  | "write"
  | "close"
  | "handshake"
  | "set";

/** Fields of a {@linkcode NetError}. */
export interface NetErrorInit {
  op: NetOp;
  network: string;
  code: string;
  addr?: Addr | string | undefined;
  cause?: unknown;
}

/** An operation on a socket failed. Go: `net.OpError`. */
export class NetError extends Error {
  /** The name of the class. */
  override readonly name: string = "NetError";
  /** The operation that failed. */
  readonly op: NetOp;
  /** Network of the socket: `tcp`, `unix`, `pipe`, … */
  readonly network: string;
  /** The remote address, or the address to listen on. */
  readonly addr: string | undefined;
  /** Reason, the same on every runtime: `ECONNREFUSED`, `ECONNRESET`, `EPIPE`, `EADDRINUSE`, `ETIMEDOUT`, … */
  readonly code: string;
  /** Whether the failure is a time-out. */
  readonly timeout: boolean;

  /**
   * Creates an error.
   *
   * @param init the error's fields
   * @param reason description of the failure. Default: the meaning of the code
   */
  constructor(init: NetErrorInit, reason?: string) {
    // The address of an unnamed Unix socket is empty.
    const at = String(init.addr ?? "") === "" ? "" : ` ${init.addr}`;
    const options = init.cause === undefined ? undefined : { cause: init.cause };
    super(`${init.op} ${init.network}${at}: ${reason ?? describe(init.code)}`, options);
    this.op = init.op;
    this.network = init.network;
    this.addr = init.addr?.toString();
    this.code = init.code;
    this.timeout = init.code === "ETIMEDOUT";
  }
}

/** A deadline passed. The socket is still usable: move the deadline and go on. Go: `os.ErrDeadlineExceeded`. */
export class DeadlineExceededError extends NetError {
  /** Always `"DeadlineExceededError"`. */
  override readonly name = "DeadlineExceededError";

  /**
   * Creates an error.
   *
   * @param op the operation that failed
   * @param network network of the socket
   * @param addr the remote address, or the address to listen on
   * @param reason what did not happen in time. Default: `deadline exceeded`
   */
  constructor(op: NetOp, network: string, addr?: Addr | string, reason = "deadline exceeded") {
    super({ op, network, addr, code: "ETIMEDOUT" }, reason);
  }
}

/** The socket was closed on this side, before or during the call. Go: `net.ErrClosed`. */
export class ClosedError extends NetError {
  /** Always `"ClosedError"`. */
  override readonly name = "ClosedError";

  /**
   * Creates an error.
   *
   * @param op the operation that failed
   * @param network network of the socket
   * @param addr the remote address, or the address to listen on
   */
  constructor(op: NetOp, network: string, addr?: Addr | string) {
    super({ op, network, addr, code: "ECLOSED" }, "use of closed connection");
  }
}

/**
 * TLS failed. `code` is the reason, and every runtime reports the same one:
 *
 * - `ECERTUNTRUSTED`: the certificate is not signed by an authority that this side trusts
 * - `ECERTNAME`: the certificate is for another name
 * - `ECERTEXPIRED`: the certificate has expired or is not yet valid
 * - `ECERTREQUIRED`: the client sent no certificate, and the server requires one
 * - `ENOTTLS`: the peer does not speak TLS
 * - `ETLS`: any other failure: no common version, cipher or application protocol, an alert of the peer, a broken record
 */
export class TlsError extends NetError {
  /** Always `"TlsError"`. */
  override readonly name = "TlsError";
}

/** The stream ended before all expected bytes had arrived. Go: `io.ErrUnexpectedEOF`. */
export class UnexpectedEofError extends Error {
  /** Always `"UnexpectedEofError"`. */
  override readonly name = "UnexpectedEofError";
  /** Number of bytes that were still expected; `null` when that is not known. */
  readonly missing: number | null;

  /**
   * Creates an error.
   *
   * @param message what was read, and how much of it arrived
   * @param missing number of bytes that were still expected; `null` when that is not known
   */
  constructor(message: string, missing: number | null = null) {
    super(message);
    this.missing = missing;
  }
}

const DESCRIPTIONS: ReadonlyMap<string, string> = new Map([
  ["EACCES", "permission denied"],
  ["EADDRINUSE", "address already in use"],
  ["EADDRNOTAVAIL", "address not available"],
  ["EAFNOSUPPORT", "address family not supported"],
  ["ECERTEXPIRED", "certificate has expired or is not yet valid"],
  ["ECERTNAME", "certificate is for another name"],
  ["ECERTREQUIRED", "client sent no certificate"],
  ["ECERTUNTRUSTED", "certificate is not signed by a trusted authority"],
  ["ECONNREFUSED", "connection refused"],
  ["ECONNRESET", "connection reset by peer"],
  ["EINVAL", "invalid argument"],
  ["EHOSTUNREACH", "no route to host"],
  ["EISCONN", "already connected"],
  ["EMFILE", "too many open files"],
  ["EMSGSIZE", "message too long"],
  ["ENETUNREACH", "network is unreachable"],
  ["ENOENT", "no such file or directory"],
  ["ENOTDIR", "not a directory"],
  ["ENOTFOUND", "no such host"],
  ["ENOTSUP", "not supported by this runtime"],
  ["ENOTTLS", "peer does not speak TLS"],
  ["EPIPE", "broken pipe"],
  ["EPROTO", "unexpected protocol"],
  ["ETIMEDOUT", "timed out"],
  ["ETLS", "TLS failed"],
]);

function describe(code: string): string {
  return DESCRIPTIONS.get(code) ?? code;
}
