/**
 * TLS, through `node:tls` on every runtime. Differences bridged here:
 *
 * | runtime | `node:tls` | here |
 * | --- | --- | --- |
 * | all | the name that is verified is the one that is sent as SNI, which cannot be an IP address | an address is verified, and not sent |
 * | all | a server's socket does not verify its client, only `tls.Server` does | with `clientAuth`, each socket has a server of its own |
 * | all | errors have the codes of OpenSSL, BoringSSL or rustls | `tls_errors.ts` maps them |
 * | all | a broken record or an alert after the handshake is an event without a name in public, on some sockets alone or followed by an end | the event breaks the socket |
 * | Node | an end during the handshake reaches only a socket that is read, and never a `tls.Server` | the socket is read; with `clientAuth`, TLS goes over a stream |
 * | Node | resetting a TCP socket below one under TLS can crash the process | the one under TLS is destroyed, which may look like a clean end to the peer |
 * | Bun | a stream under TLS ends both ways when one does, and cannot choose among certificates | `dialTls` and `listenTls` put TLS on sockets of `node:net`; both limits remain for `upgradeTls` |
 * | Deno | over a stream, the callback of a write comes when the stream has the bytes | a write ends when the stream has nothing left |
 * | Deno | bytes that come before a socket under TLS is ready crash the process | they are held back for a turn |
 * | Deno | a chain is verified by another library than on Node and Bun | every chain is verified once more: `certificate_chain.ts` |
 * | Deno | an expired certificate has the code of one that cannot be verified | the second verification tells them apart |
 * | Deno | a peer that ends the handshake with an alert looks like one that left | the alert is seen on the stream |
 * | Deno | to a server with several certificates, a peer that does not speak TLS looks like one that sent an alert | the message of the error tells them apart |
 * | Deno | an invalid certificate or key fails in the handshake | both are parsed beforehand |
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
import type {
  HandshakeRequest,
  TlsCertificate,
  TlsConfig,
  TlsContext,
  TlsRole,
  TlsSocket,
} from "../src/net/tls.ts";
import { NodeSocket } from "./node_socket.ts";
import { SocketStream } from "./socket_stream.ts";
import { tlsCode } from "./tls_errors.ts";
import { certificateOf, Handshake } from "./tls_handshake.ts";

/**
 * Verifies the peer's certificate once the handshake is done.
 *
 * @param rootCas the trusted authorities, PEM
 * @returns the code of what is wrong; `null` for a valid certificate
 */
export type VerifyPeer = (tls: TLSSocket, rootCas: readonly string[]) => string | null;

/** Traits of a runtime's `node:tls`. */
export interface NodeTlsTraits {
  /** Reads the runtime's own authorities, where they have to be passed on; elsewhere, no list means these. */
  readonly defaultCas?: () => readonly string[];
  /** Verifies in place of `node:tls`, which then ends no handshake because of a certificate. */
  readonly verifyPeer?: VerifyPeer;
  /** Whether a `tls.Server` does not notice the end of a `node:net` socket during the handshake. */
  readonly serverMissesEnd?: boolean;
}

/**
 * Makes the context of a configuration.
 *
 * @throws {TypeError} when a certificate or key is not valid PEM, or a certificate has another key
 */
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
    throw new TypeError("Cannot use TLS: a key in certificates is not a private key in PEM", { cause });
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new TypeError("Cannot use TLS: the key of a certificate in certificates belongs to another one");
  }
}

function readCertificate(pem: string, where: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new TypeError(`Cannot use TLS: a certificate in ${where} is not a certificate in PEM`, { cause });
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
    // Only a `tls.Server` verifies clients; by a `connection` event it takes a stream that it did not accept itself.
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

  /** Options that choose a certificate by the name that the client asks for; none for a single certificate. */
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

/** The stream to put TLS on: the socket of `node:net` itself, if nothing has read it, else a `SocketStream`. */
function streamOver({ socket, received }: HandshakeRequest): Duplex {
  const raw = socket instanceof NodeSocket && received.length === 0 ? socket.release() : null;
  return raw ?? new SocketStream(socket, received);
}
