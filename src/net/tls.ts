/** TLS: configuration, result of a handshake, and the interface that an adapter implements. */

import type { Conn, TcpConn } from "./conn.ts";
import type { StreamSocket } from "./stream_socket.ts";

/** A certificate and its key. */
export interface TlsCertificate {
  /** PEM: the certificate, followed by the intermediate certificates. */
  readonly cert: string;
  /** PEM: the private key, PKCS #8 without a passphrase. */
  readonly key: string;
}

/** TLS configuration. Go: `tls.Config`. */
export interface TlsConfig {
  /**
   * This side's certificates. A server needs at least one, and sends the first that matches the name the client asks
   * for, otherwise the first of all. A client sends the first one to a server that requests a certificate.
   */
  certificates?: readonly TlsCertificate[];
  /** PEM: the trusted certificate authorities, instead of the runtime's. */
  rootCas?: readonly string[];
  /** Client only: name or IP address that the server's certificate must be for. Default: the host that is dialled. */
  serverName?: string;
  /**
   * Application protocols (ALPN, RFC 7301), the preferred first. A peer that offers protocols, but none of these, is
   * refused.
   */
  nextProtos?: readonly string[];
  /**
   * Server only: `"request"` asks the client for a certificate, `"require"` refuses clients without one. A certificate
   * must be signed by one of `rootCas`, which is required for both. Default: `"none"`.
   */
  clientAuth?: "none" | "request" | "require";
  /** Client only, for tests: accepts any certificate. A man in the middle can then read and change all traffic. */
  insecureSkipVerify?: boolean;
}

/** The result of a handshake. Go: `tls.ConnectionState`. */
export interface TlsConnectionState {
  /** Version of TLS: `TLSv1.3` or `TLSv1.2`. */
  readonly version: string;
  /** The application protocol (ALPN), `null` for none. */
  readonly negotiatedProtocol: string | null;
  /** The server name that the client sent (SNI); `null` for none, as when it dialled an IP address. */
  readonly serverName: string | null;
  /** The peer's certificate, DER; `null` when it sent none. */
  readonly peerCertificate: Uint8Array<ArrayBuffer> | null;
}

/** A connection under TLS. Go: `tls.Conn`. */
export interface TlsConn extends TcpConn {
  /** The result of the handshake. */
  readonly connectionState: TlsConnectionState;
}

/** Whether a connection is under TLS. */
export function isTlsConn(conn: Conn): conn is TlsConn {
  return "connectionState" in conn;
}

/** Role in a handshake. */
export type TlsRole = "client" | "server";

/**
 * A stream socket under TLS. Its `reset` may look like a clean end to the peer; its options are set on the socket
 * below.
 */
export interface TlsSocket extends StreamSocket {
  readonly connectionState: TlsConnectionState;
}

/** The result of the handshake of a socket under TLS; `null` for any other socket. */
export function connectionStateOf(socket: StreamSocket): TlsConnectionState | null {
  return "connectionState" in socket ? (socket as TlsSocket).connectionState : null;
}

/** A TLS configuration that was read and checked. Serves any number of connections. */
export interface TlsContext {
  /**
   * Performs a handshake on a socket and resolves to the socket under TLS, which is not started yet. The socket below
   * is started in this turn, and closed when the handshake fails. Rejects with a `NetError`, with a `TlsError` when TLS
   * itself failed, or with the signal's reason.
   */
  handshake(request: HandshakeRequest): Promise<TlsSocket>;
}

/** Parameters of a handshake. */
export interface HandshakeRequest {
  readonly socket: StreamSocket;
  /** Bytes already received on the socket and not read yet. */
  readonly received: readonly Uint8Array[];
  /** Client only: name or IP address that the server's certificate must be for; empty for none. */
  readonly serverName: string;
  readonly signal: AbortSignal | null;
}

/**
 * Checks a configuration, as far as that is possible without cryptography.
 *
 * @throws {TypeError} when an option is missing or not valid
 */
export function checkTlsConfig(role: TlsRole, config: TlsConfig): void {
  const { certificates = [], rootCas = [], nextProtos = [], clientAuth = "none" } = config;
  if (role === "server") {
    if (certificates.length === 0) throw new TypeError("Cannot serve TLS: tls.certificates is required");
    if (clientAuth !== "none" && rootCas.length === 0) {
      throw new TypeError(
        "Cannot serve TLS: tls.clientAuth requires tls.rootCas, the authorities of client certificates",
      );
    }
  }
  if (!["none", "request", "require"].includes(clientAuth)) {
    const given = JSON.stringify(clientAuth);
    throw new TypeError(`Cannot use TLS: tls.clientAuth is ${given}, not "none", "request" or "require"`);
  }
  for (const protocol of nextProtos) {
    const { length } = new TextEncoder().encode(protocol);
    if (length === 0 || length > 255) {
      const given = JSON.stringify(protocol);
      throw new TypeError(`Cannot use TLS: ${given} in tls.nextProtos is not 1 to 255 bytes long`);
    }
  }
}
