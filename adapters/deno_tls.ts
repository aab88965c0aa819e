// The whole module, because Node 20, where all adapters may be loaded, fails on an import of a name that its module lacks.
import * as tls from "node:tls";
import { chainFault, presentedBy } from "./certificate_chain.ts";
import type { NodeTlsTraits } from "./tls.ts";
import { tlsCode } from "./tls_errors.ts";

/** Traits of Deno's `node:tls`: each certificate chain is verified once more. */
export const denoTls: NodeTlsTraits = {
  defaultCas: () => tls.getCACertificates("default"),
  verifyPeer(tls, rootCas) {
    const fault = chainFault(presentedBy(tls), rootCas);
    if (fault !== null || tls.authorized) return fault;
    // `authorizationError` is a string on Deno, and an error elsewhere.
    const error: unknown = tls.authorizationError;
    return tlsCode(Object(error).code ?? error) ?? "ECERTUNTRUSTED";
  },
};
