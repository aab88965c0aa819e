/**
 * TLS, through `node:tls` on every runtime. What is bridged here:
 *
 * | runtime | `node:tls` | here |
 * | --- | --- | --- |
 * | all | the name that is verified is the one that is asked for (SNI), which cannot be an IP address | an address is verified, and not asked for |
 * | all | a server's own socket does not verify its client, only `tls.Server` does | with `clientAuth`, a server of its own for each socket |
 * | all | there are errors of OpenSSL, BoringSSL and rustls | `tls_errors.ts` |
 * | Node | an end during the handshake is told to nobody who does not read, and a `tls.Server` does not | it is read; with `clientAuth`, over a stream |
 * | Node | resetting a TCP socket below one under TLS can crash the process | the one under TLS is destroyed, which may be an end in order to the peer |
 * | Bun | a stream under TLS ends both ways when one does, and has no choice of certificates | `dialTls` and `listenTls` put TLS on sockets of `node:net`; it remains for `upgradeTls` |
 * | Deno | over a stream, a write is told as taken when the stream has it | it ends when the stream has nothing left |
 * | Deno | bytes that come before a socket under TLS is ready crash the process | they are held back for a turn |
 * | Deno | a chain is verified by another library than elsewhere | every chain is verified once more: `certificate_chain.ts` |
 * | Deno | an expired certificate is told as one that cannot be verified | the same look at the chain tells them apart |
 * | Deno | a peer that breaks the handshake off by an alert is told as one that left | the alert is seen on the stream |
 * | Deno | a certificate or key that is none is told in the handshake | both are read first |
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  createServer,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  TLSSocket,
} from "node:tls";
import type { Duplex } from "node:stream";
import { Deferred } from "../src/net/deferred.ts";
import { NetError, TlsError } from "../src/net/errors.ts";
import type { StreamSocket } from "../src/net/stream_socket.ts";
import type {
  HandshakeRequest,
  TlsCertificate,
  TlsConfig,
  TlsConnectionState,
  TlsContext,
  TlsRole,
  TlsSocket,
} from "../src/net/tls.ts";
import { NodeSocket } from "./node_socket.ts";
import { SocketStream } from "./socket_stream.ts";
import { tlsCode, tlsError } from "./tls_errors.ts";
import { NodeTlsSocket } from "./tls_socket.ts";

/**
 * Judges the peer's certificate once the handshake is done; tells the code of what is wrong with it.
 *
 * @param rootCas the authorities to trust
 */
export type VerifyPeer = (tls: TLSSocket, rootCas: readonly string[]) => string | null;

/** What a runtime does differently. */
export interface NodeTlsTraits {
  /** Authorities to name, where none would not be the runtime's own. */
  readonly defaultCas?: () => readonly string[];
  /** Has the last word on what `node:tls` says, which breaks off no handshake then. */
  readonly verifyPeer?: VerifyPeer;
  /** Whether a `tls.Server` takes the end of a socket of `node:net` during the handshake for no end. */
  readonly serverMissesEnd?: boolean;
}

/** Reads a configuration. */
export function nodeTlsContext(role: TlsRole, config: TlsConfig, traits: NodeTlsTraits = {}): TlsContext {
  for (const certificate of config.certificates ?? []) checkCertificate(certificate);
  for (const pem of config.rootCas ?? []) readCertificate(pem, "rootCas");
  return role === "client" ? new ClientContext(config, traits) : new ServerContext(config, traits);
}

function checkCertificate({ cert, key }: TlsCertificate): void {
  const certificate = readCertificate(cert, "certificates");
  let privateKey;
  try {
    privateKey = createPrivateKey(key);
  } catch (cause) {
    throw new TypeError("Cannot use TLS: a key in certificates is no private key in PEM", { cause });
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new TypeError("Cannot use TLS: a certificate and its key do not belong together");
  }
}

function readCertificate(pem: string, where: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new TypeError(`Cannot use TLS: a certificate in ${where} is none in PEM`, { cause });
  }
}

function secureContext(
  { rootCas }: TlsConfig,
  certificate: TlsCertificate | undefined,
  { defaultCas }: NodeTlsTraits,
): SecureContextOptions & { secureContext: SecureContext } {
  const ca = rootCas ?? defaultCas?.();
  const options: SecureContextOptions = {
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
  };
  return { ...options, secureContext: createSecureContext(options) };
}

class ClientContext implements TlsContext {
  readonly #config: TlsConfig;
  readonly #traits: NodeTlsTraits;
  readonly #secure: SecureContextOptions & { secureContext: SecureContext };

  constructor(config: TlsConfig, traits: NodeTlsTraits) {
    this.#config = config;
    this.#traits = traits;
    this.#secure = secureContext(config, config.certificates?.[0], traits);
  }

  handshake(request: HandshakeRequest): Promise<TlsSocket> {
    const { serverName } = request;
    const { insecureSkipVerify = false, nextProtos } = this.#config;
    const { verifyPeer } = this.#traits;
    const stream = streamOver(request);
    const tls = connect({
      ...this.#secure,
      socket: stream,
      servername: isIP(serverName) === 0 ? serverName : "",
      ...alpn(nextProtos),
      rejectUnauthorized: !insecureSkipVerify && verifyPeer === undefined,
      checkServerIdentity: (_: string, certificate: PeerCertificate) =>
        checkServerIdentity(serverName, certificate),
    });
    const verify = () => {
      if (insecureSkipVerify || verifyPeer === undefined) return null;
      return verifyPeer(tls, this.#config.rootCas ?? this.#traits.defaultCas!());
    };
    return new Handshake(request.socket, stream, request.signal).until(tls, "secureConnect", verify);
  }
}

class ServerContext implements TlsContext {
  readonly #config: TlsConfig;
  readonly #traits: NodeTlsTraits;
  readonly #secure: SecureContextOptions & { secureContext: SecureContext };
  readonly #byName: readonly { names: X509Certificate; context: SecureContext }[];

  constructor(config: TlsConfig, traits: NodeTlsTraits) {
    this.#config = config;
    this.#traits = traits;
    const certificates = config.certificates ?? [];
    this.#secure = secureContext(config, certificates[0], {});
    this.#byName = certificates.map((certificate, i) => ({
      names: new X509Certificate(certificate.cert),
      context: i === 0 ? this.#secure.secureContext : secureContext(config, certificate, {}).secureContext,
    }));
  }

  handshake(request: HandshakeRequest): Promise<TlsSocket> {
    const { clientAuth = "none", nextProtos } = this.#config;
    const stream = clientAuth !== "none" && this.#traits.serverMissesEnd
      ? new SocketStream(request.socket, request.received)
      : streamOver(request);
    const options = { ...this.#secure, ...alpn(nextProtos), ...this.#sni() };
    const handshake = new Handshake(request.socket, stream, request.signal);
    if (clientAuth === "none") {
      const tls = new TLSSocket(stream, { ...options, isServer: true });
      return handshake.until(tls, "secure", () => null);
    }
    // Only a `tls.Server` verifies clients; it takes a stream that it did not accept by this event.
    const server = createServer({
      ...options,
      allowHalfOpen: true,
      requestCert: true,
      rejectUnauthorized: clientAuth === "require",
    });
    const accepted = handshake.untilAccepted(server, (tls) => this.#verifyClient(tls));
    server.emit("connection", stream);
    return accepted;
  }

  #verifyClient(tls: TLSSocket): string | null {
    if (certificateOf(tls) === null) return null;
    const { verifyPeer } = this.#traits;
    if (verifyPeer !== undefined) return verifyPeer(tls, this.#config.rootCas!);
    return tls.authorized ? null : tlsCode(tls.authorizationError) ?? "ECERTUNTRUSTED";
  }

  /** The choice of a certificate by the name that the client asks for, where there is one. */
  #sni(): { SNICallback?: (name: string, done: (error: null, context?: SecureContext) => void) => void } {
    if (this.#byName.length < 2) return {};
    return { SNICallback: (name, done) => done(null, this.#contextFor(name)) };
  }

  #contextFor(name: string): SecureContext {
    const fitting = this.#byName.find(({ names }) => {
      const { subject, subjectAltName = "" } = names;
      const certificate = {
        subject: { CN: /^CN=(.*)$/m.exec(subject)?.[1] },
        subjectaltname: subjectAltName,
      };
      return checkServerIdentity(name, certificate as never) === undefined;
    });
    return (fitting ?? this.#byName[0]!).context;
  }
}

function alpn(nextProtos: readonly string[] | undefined): { ALPNProtocols?: string[] } {
  return nextProtos === undefined || nextProtos.length === 0 ? {} : { ALPNProtocols: [...nextProtos] };
}

/** A socket of `node:net` that nobody has read is as good as a stream as it is; any other is made one. */
function streamOver({ socket, received }: HandshakeRequest): Duplex {
  const raw = socket instanceof NodeSocket && received.length === 0 ? socket.release() : null;
  return raw ?? new SocketStream(socket, received);
}

/** One handshake, up to the socket that comes of it. */
class Handshake {
  readonly #socket: StreamSocket;
  readonly #stream: Duplex;
  readonly #signal: AbortSignal | null;
  #tls: TLSSocket | null = null;
  readonly #deferred = new Deferred<TlsSocket>();
  #done = false;
  readonly #onAbort = (): void => this.#fail(this.#signal!.reason);
  readonly #onError = (error: unknown): void => this.#fail(this.#mapped(error));
  /** Whoever knows why may tell in the same turn. */
  readonly #onClose = (): void =>
    void setImmediate(() => this.#fail(this.#failure(this.#alerted ? "ETLS" : "ECONNRESET")));

  constructor(socket: StreamSocket, stream: Duplex, signal: AbortSignal | null) {
    this.#socket = socket;
    this.#stream = stream;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
    // A stream of Node that breaks and is not heard ends the process.
    stream.on("error", this.#onError).once("close", this.#onClose).once("end", this.#onClose);
    if (signal?.aborted) queueMicrotask(this.#onAbort);
  }

  /** Waits for an event of the socket that says that it is secure. */
  until(tls: TLSSocket, event: "secure" | "secureConnect", verify: () => string | null): Promise<TlsSocket> {
    this.#tls = tls;
    tls.on("error", this.#onError).once("close", this.#onClose).once("end", this.#onClose);
    // An end is only told to somebody who reads.
    tls.resume();
    tls.once(event, () => this.#succeed(tls, verify));
    return this.#deferred.promise;
  }

  /** Waits for a server to find the socket secure. */
  untilAccepted(
    server: ReturnType<typeof createServer>,
    verify: (tls: TLSSocket) => string | null,
  ): Promise<TlsSocket> {
    // A server that refuses a certificate hangs up, and the socket knows why.
    server.on("tlsClientError", (error, { authorizationError }) => {
      const code = tlsCode(authorizationError);
      this.#fail(code === null ? this.#mapped(error) : this.#failure(code, authorizationError));
    });
    server.on("secureConnection", (tls) => {
      this.#tls = tls;
      tls.on("error", this.#onError);
      this.#succeed(tls, () => verify(tls));
    });
    return this.#deferred.promise;
  }

  #succeed(tls: TLSSocket, verify: () => string | null): void {
    if (this.#done) return;
    try {
      const fault = verify();
      if (fault !== null) throw this.#failure(fault, tls.authorizationError);
      if (this.#stream instanceof SocketStream) this.#stream.settle();
      const socket = new NodeTlsSocket(tls, this.#stream, this.#socket, connectionState(tls));
      this.#end();
      this.#deferred.resolve(socket);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#done) return;
    this.#end();
    this.#tls?.destroy();
    this.#stream.destroy();
    this.#deferred.reject(error);
  }

  #end(): void {
    this.#done = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  #mapped(error: unknown): NetError {
    if (error instanceof TlsError) return error;
    const { network } = this.#socket.remoteAddr;
    const mapped = tlsError(error, "handshake", network, this.#socket.remoteAddr);
    return mapped.code === "ECONNRESET" && this.#alerted ? this.#failure("ETLS", error) : mapped;
  }

  #failure(code: string, cause?: unknown): NetError {
    const { remoteAddr } = this.#socket;
    const init = { op: "handshake", network: remoteAddr.network, addr: remoteAddr, code, cause } as const;
    return code === "ECONNRESET" ? new NetError(init) : new TlsError(init);
  }

  /** The peer said why it left, though Deno does not pass it on. */
  get #alerted(): boolean {
    return this.#stream instanceof SocketStream && this.#stream.alerted;
  }
}

function connectionState(tls: TLSSocket): TlsConnectionState {
  const { servername } = tls as { servername?: unknown };
  return {
    version: tls.getProtocol() ?? "",
    negotiatedProtocol: tls.alpnProtocol || null,
    serverName: typeof servername === "string" && servername !== "" ? servername : null,
    peerCertificate: certificateOf(tls),
  };
}

function certificateOf(tls: TLSSocket): Uint8Array | null {
  const { raw } = (tls.getPeerCertificate() ?? {}) as { raw?: Uint8Array };
  return raw === undefined ? null : new Uint8Array(raw);
}
