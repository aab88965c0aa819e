/** A connection under TLS is a {@linkcode Conn} like any other. */

import { currentAdapter } from "../../adapters/runtime.ts";
import { dial, dialTls, listen, listenTls, pipe, upgradeTls } from "../../mod.ts";
import type { Conn } from "../../src/net/conn.ts";
import { clientTls, serverTls } from "./certificates.ts";
import { type Pair, testConn } from "./conformance.ts";

const makePair = async (): Promise<Pair> => {
  const listener = await listenTls("tcp", "127.0.0.1:0", { tls: serverTls });
  const [a, b] = await Promise.all([
    dialTls("tcp", String(listener.addr), { tls: clientTls }),
    listener.accept(),
  ]);
  return pairOf(a, b, () => listener.close());
};

function pairOf(a: Conn, b: Conn, end: () => Promise<void>): Pair {
  const stop = async () => {
    a.closeNow();
    b.closeNow();
    await end();
  };
  return { a, b, stop };
}

function reversed(makePair: () => Promise<Pair>): () => Promise<Pair> {
  return async () => {
    const { a, b, stop } = await makePair();
    return { a: b, b: a, stop };
  };
}

// It is one where the socket below can, and its adapter has no reason to be afraid of it.
const traits = { resets: "may be" } as const;

testConn("tls, the dialling end", makePair, traits);
testConn("tls, the accepting end", reversed(makePair), traits);

/** Puts both ends under TLS. */
async function upgraded({ a, b, stop }: Pair): Promise<Pair> {
  const tls = { ...clientTls, serverName: "localhost" };
  const [client, server] = await Promise.all([
    upgradeTls(a, { tls }),
    upgradeTls(b, { role: "server", tls: serverTls }),
  ]);
  return pairOf(client, server, stop);
}

const startTls = async (): Promise<Pair> => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [a, b] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  return await upgraded(pairOf(a, b, () => listener.close()));
};

// Bun puts TLS on a stream that ends both ways when one does: see the table of the adapter.
const upgradedTraits = { ...traits, halfCloses: currentAdapter().name !== "bun" };

testConn("STARTTLS, the client", startTls, upgradedTraits);
testConn("STARTTLS, the server", reversed(startTls), upgradedTraits);
testConn("tls in memory", () => upgraded(pairOf(...pipe(), async () => {})), upgradedTraits);
