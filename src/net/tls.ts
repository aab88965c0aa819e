/** TLS: how to speak it, what came of it, and the port that an adapter fills. */

import type { Conn, TcpConn } from "./conn.ts";
import type { StreamSocket } from "./stream_socket.ts";

/** A certificate and its key. */
export interface TlsCertificate {
  /** PEM: the certificate, then those of the authorities between it and the root. */
  readonly cert: string;
  /** PEM: the private key, PKCS #8 without a passphrase. */
  readonly key: string;
}

/** How to speak TLS. Go: `tls.Config`. */
export interface TlsConfig {
  /**
   * This side's certificates. A server needs at least one, and shows the first that fits the name which the client asks
   * for, else the first. A client shows the first to a server that asks for one.
   */
  certificates?: readonly TlsCertificate[];
  /** PEM: the authorities to trust, in place of those that the runtime knows. */
  rootCas?: readonly string[];
  /** Client only: whom the server's certificate must name, a name or an IP address. Default: the host that is dialled. */
  serverName?: string;
  /** Application protocols (ALPN, RFC 7301), the preferred first; a peer that speaks some, but none of them, is refused. */
  nextProtos?: readonly string[];
  /**
   * Server only: `"request"` asks the client for a certificate, `"require"` insists on one. One that is given must be
   * signed by one of `rootCas`, which these need. Default: `"none"`.
   */
  clientAuth?: "none" | "request" | "require";
  /** Client only: takes any certificate. Whoever is in between can then read and change everything. For tests. */
  insecureSkipVerify?: boolean;
}

/** What a handshake agreed on. Go: `tls.ConnectionState`. */
export interface TlsConnectionState {
  /** `TLSv1.3` or `TLSv1.2`. */
  readonly version: string;
  /** The application protocol (ALPN), `null` for none. */
  readonly negotiatedProtocol: string | null;
  /** The name that the client asked for (SNI); `null` for none, as when it dialled an IP address. */
  readonly serverName: string | null;
  /** The peer's certificate, DER; `null` when it showed none. */
  readonly peerCertificate: Uint8Array | null;
}

/** A connection under TLS. Go: `tls.Conn`. */
export interface TlsConn extends TcpConn {
  /** What the handshake agreed on. */
  readonly connectionState: TlsConnectionState;
}

/** Whether a connection is under TLS. */
export function isTlsConn(conn: Conn): conn is TlsConn {
  return "connectionState" in conn;
}

/** Which side of a handshake. */
export type TlsRole = "client" | "server";

/** A stream socket under TLS; its `reset` may be an end in order to the peer, its options are the socket's below. */
export interface TlsSocket extends StreamSocket {
  readonly connectionState: TlsConnectionState;
}

/** What the handshake agreed on, for a socket under TLS; `null` for any other. */
export function connectionStateOf(socket: StreamSocket): TlsConnectionState | null {
  return "connectionState" in socket ? (socket as TlsSocket).connectionState : null;
}

/** A configuration that was read: it serves any number of connections. */
export interface TlsContext {
  /**
   * Makes a socket one under TLS, which is not started yet. The socket below is started in this same turn; when the
   * handshake fails it is gone. Rejects with a `NetError`, which is a `TlsError` when TLS is the cause, or with the
   * signal's reason.
   */
  handshake(request: HandshakeRequest): Promise<TlsSocket>;
}

/** One handshake. */
export interface HandshakeRequest {
  readonly socket: StreamSocket;
  /** What came on it and is not read yet. */
  readonly received: readonly Uint8Array[];
  /** Client only: whom the server's certificate must name. */
  readonly serverName: string;
  readonly signal: AbortSignal | null;
}

/**
 * Checks what the caller gave, as far as that takes no cryptography.
 *
 * @throws {TypeError} when it makes no sense
 */
export function checkTlsConfig(role: TlsRole, config: TlsConfig): void {
  const { certificates = [], rootCas = [], nextProtos = [], clientAuth = "none" } = config;
  if (role === "server") {
    if (certificates.length === 0) throw new TypeError("Cannot serve TLS: the server has no certificate");
    if (clientAuth !== "none" && rootCas.length === 0) {
      throw new TypeError("Cannot serve TLS: clientAuth needs rootCas, the authorities that sign clients");
    }
  }
  if (!["none", "request", "require"].includes(clientAuth)) {
    throw new TypeError(`Cannot use TLS: clientAuth is ${JSON.stringify(clientAuth)}`);
  }
  for (const protocol of nextProtos) {
    const { length } = new TextEncoder().encode(protocol);
    if (length === 0 || length > 255) {
      throw new TypeError(`Cannot use TLS: ${JSON.stringify(protocol)} in nextProtos is not 1 to 255 bytes`);
    }
  }
}
