import type { Addr } from "../src/net/addr.ts";
import { type NetError, type NetOp, TlsError } from "../src/net/errors.ts";
import { netError } from "./net_errors.ts";

/** Codes of `node:tls` with a code of their own here. Other codes of certificates become ECERTUNTRUSTED, the rest ETLS. */
const CODES: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "ECERTEXPIRED"],
  ["CERT_NOT_YET_VALID", "ECERTEXPIRED"],
  ["ERR_SSL_HTTP_REQUEST", "ENOTTLS"],
  ["ERR_SSL_HTTPS_PROXY_REQUEST", "ENOTTLS"],
  ["ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", "ECERTREQUIRED"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "ENOTTLS"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "ECERTNAME"],
]);

/** OpenSSL's codes for a faulty chain of certificates. */
const CERTIFICATE =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_(CA|PURPOSE)|PATH_LENGTH|ERROR_IN_CERT|HOSTNAME)/;

/** Message of Deno's server that chooses among certificates, for bytes that are not TLS; its code is that of an alert. */
const NOT_TLS = /^TLS accept error: received corrupt message/;

/** Maps an error of `node:tls` to an error whose code is the same on every runtime. */
export function tlsError(error: unknown, op: NetOp, network: string, addr?: Addr): NetError {
  const { code: native, message } = Object(error);
  const code = NOT_TLS.test(message) ? "ENOTTLS" : tlsCode(native);
  if (code === null) return netError(error, op, network, addr);
  return new TlsError({ op, network, addr, code, cause: error });
}

/** Maps a code of `node:tls`; `null` when it has nothing to do with TLS. */
export function tlsCode(code: unknown): string | null {
  if (typeof code !== "string") return null;
  if (CODES.has(code)) return CODES.get(code)!;
  if (CERTIFICATE.test(code)) return "ECERTUNTRUSTED";
  return code === "EPROTO" || /^ERR_(SSL|TLS)_/.test(code) ? "ETLS" : null;
}
