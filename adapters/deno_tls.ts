// Not by name: where all adapters are loaded, Node 20 would look for a name that its module has not.
import * as tls from "node:tls";
import { chainFault, presentedBy } from "./certificate_chain.ts";
import type { NodeTlsTraits } from "./tls.ts";
import { tlsCode } from "./tls_errors.ts";

/** TLS on Deno: each chain is verified once more. */
export const denoTls: NodeTlsTraits = {
  defaultCas: () => tls.getCACertificates("default"),
  verifyPeer(tls, rootCas) {
    const fault = chainFault(presentedBy(tls), rootCas);
    if (fault !== null || tls.authorized) return fault;
    // What it is told by is a code here, and an error elsewhere.
    const error: unknown = tls.authorizationError;
    return tlsCode(Object(error).code ?? error) ?? "ECERTUNTRUSTED";
  },
};
