/**
 * The errors of sockets:
 *
 * ```text
 * Error
 * ├── NetError                   an operation on a socket failed; `code` says why
 * │   ├── DeadlineExceededError  the deadline passed (`timeout` is true); the socket lives on
 * │   ├── ClosedError            the socket was closed on this side
 * │   └── TlsError               TLS failed; `code` says why
 * └── UnexpectedEofError         the stream ended in the middle of something
 * ```
 */

import type { Addr } from "./addr.ts";

/** What was being done when a socket failed. */
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

/** What is known of a failure; see {@linkcode NetError}. */
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
  /** What was being done. */
  readonly op: NetOp;
  /** `tcp`, `unix`, `pipe`, … */
  readonly network: string;
  /** The other end, or the address to listen on. */
  readonly addr: string | undefined;
  /** The same on every runtime: `ECONNREFUSED`, `ECONNRESET`, `EPIPE`, `EADDRINUSE`, `ETIMEDOUT`, … */
  readonly code: string;
  /** True when the failure is a time-out. */
  readonly timeout: boolean;

  /**
   * Makes one.
   *
   * @param init what is known
   * @param reason in words; default: the code's meaning
   */
  constructor(init: NetErrorInit, reason?: string) {
    // An unnamed end of a Unix socket is an empty text.
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
   * Makes one.
   *
   * @param op what was being done
   * @param network of what
   * @param addr to whom
   */
  constructor(op: NetOp, network: string, addr?: Addr | string) {
    super({ op, network, addr, code: "ETIMEDOUT" }, "deadline exceeded");
  }
}

/** The socket was closed on this side, before or during the call. Go: `net.ErrClosed`. */
export class ClosedError extends NetError {
  /** Always `"ClosedError"`. */
  override readonly name = "ClosedError";

  /**
   * Makes one.
   *
   * @param op what was being done
   * @param network of what
   * @param addr to whom
   */
  constructor(op: NetOp, network: string, addr?: Addr | string) {
    super({ op, network, addr, code: "ECLOSED" }, "use of closed connection");
  }
}

/**
 * TLS failed. The code says why, the same on every runtime:
 *
 * - `ECERTUNTRUSTED`: the certificate is not signed by an authority that this side trusts
 * - `ECERTNAME`: the certificate is for another name
 * - `ECERTEXPIRED`: the certificate is not valid any more, or not yet
 * - `ECERTREQUIRED`: the client showed no certificate to a server that insists on one
 * - `ENOTTLS`: what the peer speaks is not TLS
 * - `ETLS`: the rest: no version, cipher or application protocol in common, a peer that refuses, a broken record
 */
export class TlsError extends NetError {
  /** Always `"TlsError"`. */
  override readonly name = "TlsError";
}

/** The stream ended in the middle of something. Go: `io.ErrUnexpectedEOF`. */
export class UnexpectedEofError extends Error {
  /** Always `"UnexpectedEofError"`. */
  override readonly name = "UnexpectedEofError";
  /** Bytes that would have completed it; `null` when nobody can know. */
  readonly missing: number | null;

  /**
   * Makes one.
   *
   * @param message what was read, and how far it came
   * @param missing bytes that would have completed it, where that is known
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
  ["EAFNOSUPPORT", "address of another family"],
  ["ECERTEXPIRED", "certificate has expired or is not yet valid"],
  ["ECERTNAME", "certificate is for another name"],
  ["ECERTREQUIRED", "client showed no certificate"],
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
  ["EPROTO", "not the expected protocol"],
  ["ETIMEDOUT", "timed out"],
  ["ETLS", "TLS failed"],
]);

function describe(code: string): string {
  return DESCRIPTIONS.get(code) ?? code;
}
