import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";

/** Upper bound of a chain, certificates; longer ones are not followed. */
const LONGEST_CHAIN = 10;

/** Code of what is wrong with a chain of certificates. */
export type ChainFault = "ECERTUNTRUSTED" | "ECERTEXPIRED";

/**
 * Follows the chain from the peer's certificate, signature by signature, to a trusted authority (RFC 5280, 6.1). Checks
 * versions, signatures, dates and the right to sign; what a certificate may be used for is left to `node:tls`.
 *
 * @param presented the peer's certificates, DER, its own first
 * @param rootCas the trusted authorities, PEM
 * @returns `null` for a valid chain
 */
export function chainFault(presented: readonly Uint8Array[], rootCas: readonly string[]): ChainFault | null {
  const [leaf, ...others] = presented.map((der) => new X509Certificate(der));
  if (leaf === undefined) return "ECERTUNTRUSTED";
  const roots = authorities(rootCas);
  const path: X509Certificate[] = [];
  for (let current = leaf; path.length < LONGEST_CHAIN;) {
    path.push(current);
    if (!isVersion3(current.raw)) return "ECERTUNTRUSTED";
    const root = roots.get(current.issuer)?.find((root) => isSignedBy(current, root));
    if (root !== undefined) return [...path, root].every(isCurrent) ? null : "ECERTEXPIRED";
    const next = others.find((other) => other.ca && !path.includes(other) && isSignedBy(current, other));
    if (next === undefined) return "ECERTUNTRUSTED";
    current = next;
  }
  return "ECERTUNTRUSTED";
}

/** Reads the certificates that the peer showed, DER, its own first. */
export function presentedBy(tls: TLSSocket): Uint8Array[] {
  const presented: Uint8Array[] = [];
  let next: DetailedPeerCertificate | undefined = tls.getPeerCertificate(true);
  for (; next?.raw !== undefined && presented.length <= LONGEST_CHAIN; next = next.issuerCertificate) {
    presented.push(next.raw);
    if (next.issuerCertificate === next) break;
  }
  return presented;
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    // The runtime does not know this kind of key.
    return false;
  }
}

function isCurrent({ validFrom, validTo }: X509Certificate): boolean {
  const now = Date.now();
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}

/**
 * Whether a certificate is one of version 3, the only version that says who may sign what. Certificate and TBSCertificate
 * are sequences, and the second begins with `[0] INTEGER 2` (RFC 5280, 4.1).
 */
function isVersion3(der: Uint8Array): boolean {
  let at = 0;
  for (let depth = 0; depth < 2; depth++) {
    if (der[at] !== 0x30) return false;
    const length = der[at + 1]!;
    at += 2 + (length < 0x80 ? 0 : length & 0x7f);
  }
  return [0xa0, 3, 2, 1, 2].every((byte, i) => der[at + i] === byte);
}

const cache = new WeakMap<readonly string[], ReadonlyMap<string, readonly X509Certificate[]>>();

/** Reads authorities, by the name in their certificate. Each list is read once. */
function authorities(rootCas: readonly string[]): ReadonlyMap<string, readonly X509Certificate[]> {
  const known = cache.get(rootCas);
  if (known !== undefined) return known;
  const byName = new Map<string, X509Certificate[]>();
  for (const certificate of rootCas.flatMap(certificatesIn)) {
    const namesakes = byName.get(certificate.subject);
    if (namesakes === undefined) byName.set(certificate.subject, [certificate]);
    else namesakes.push(certificate);
  }
  cache.set(rootCas, byName);
  return byName;
}

function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}
