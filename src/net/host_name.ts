/** Names of hosts, as they go to a resolver and into a TLS handshake. */

import { ipFamily } from "./ip.ts";

/**
 * A name in ASCII: international names are converted by IDNA (RFC 5891), other text is returned as it is.
 *
 * @returns `null` for an international name that is not valid
 */
export function asciiName(hostname: string): string | null {
  if (/^[\0-\x7f]*$/.test(hostname)) return hostname;
  try {
    return new URL(`http://${hostname}`).hostname;
  } catch {
    return null;
  }
}

/**
 * A server's name for SNI and for its certificate: in ASCII, and without the dot that ends a complete name, which
 * neither has (RFC 6066, section 3).
 */
export function certificateName(hostname: string): string {
  const name = ipFamily(hostname) === 0 ? asciiName(hostname) ?? hostname : hostname;
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
