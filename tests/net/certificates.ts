/** Certificates for the tests, made by `certificates/generate.sh`. */

import { readFileSync } from "node:fs";
import type { TlsCertificate, TlsConfig } from "../../src/net/tls.ts";

function read(name: string): string {
  return readFileSync(new URL(`certificates/${name}`, import.meta.url), "utf8");
}

/** A certificate with its key. */
export function certificate(name: string): TlsCertificate {
  return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
}

/** The authority that signed all of them but the impostor's. */
export const authority: string = read("authority.pem");

/** An authority that signed only the impostor's. */
export const stranger: string = read("stranger.pem");

/** What a server has in most tests. */
export const serverTls: TlsConfig = { certificates: [certificate("localhost")] };

/** What a client has in most tests. */
export const clientTls: TlsConfig = { rootCas: [authority] };
