/** Broken records and alerts after the handshake (RFC 8446, 5.2 and 6). */

import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { dialTls, listenTls, type TcpAddr, type TcpConn, TlsError } from "../../entries/net.ts";
import { authority, clientTls, serverTls } from "./certificates.ts";
import { holdProcess, limit } from "./support.ts";

const utf8 = new TextEncoder();

/** A proxy in front of `port`; after `breakNext` it turns one bit over of the next record to that side. */
async function breakingProxy(port: number, towards: "client" | "server", deaf: boolean): Promise<{
  address: string;
  breakNext(): void;
  close(): void;
}> {
  let breaking = false;
  let muted = false;
  const sockets: Socket[] = [];
  const pass = (from: Socket, to: Socket, side: string) => {
    from.on("error", () => {}).on("end", () => void (muted && side !== towards || to.end()));
    from.on("data", (chunk: Uint8Array) => {
      if (muted && side !== towards) return;
      if (breaking && side === towards) {
        chunk = Uint8Array.from(chunk);
        chunk[chunk.length - 5]! ^= 1;
        breaking = false;
        muted = deaf;
      }
      to.write(chunk);
    });
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.push(near, far);
    pass(near, far, "server");
    pass(far, near, "client");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    address: `localhost:${(server.address() as { port: number }).port}`,
    breakNext: () => void (breaking = true),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** The texts that are read, and the error at the end. */
async function readAll(conn: TcpConn): Promise<{ text: string; error: unknown }> {
  let text = "";
  for (;;) {
    const chunk = await conn.readChunk().catch((error: unknown) => error);
    if (!(chunk instanceof Uint8Array)) return { text, error: chunk };
    text += new TextDecoder().decode(chunk);
  }
}

function isBroken(error: unknown): void {
  assert.ok(error instanceof TlsError, `not a TlsError: ${error}`);
  assert.deepEqual([error.code, error.op], ["ETLS", "read"]);
}

describe("a broken record", () => {
  holdProcess();
  for (const clientAuth of ["none", "request"] as const) {
    for (const towards of ["client", "server"] as const) {
      for (const deaf of [false, true]) {
        const told = deaf ? ", of which the peer hears nothing" : "";
        it(`breaks the ${towards}'s end${told}, with clientAuth "${clientAuth}"`, limit, async () => {
          const tls = { ...serverTls, clientAuth, rootCas: [authority] };
          const listener = await listenTls("tcp", "127.0.0.1:0", { tls });
          const proxy = await breakingProxy((listener.addr as TcpAddr).port, towards, deaf);
          const [client, server] = await Promise.all([
            dialTls("tcp", proxy.address, { tls: clientTls }),
            listener.accept(),
          ]);
          const [writer, reader] = towards === "client" ? [server, client] : [client, server];
          await writer.write(utf8.encode("good"));
          const first = await reader.readChunk();
          assert.equal(new TextDecoder().decode(first!), "good");
          proxy.breakNext();
          await writer.write(utf8.encode("a record that is broken on its way"));
          const { text, error } = await readAll(reader);
          assert.equal(text, "");
          isBroken(error);
          for (const conn of [client, server]) conn.closeNow();
          proxy.close();
          await listener.close();
        });
      }
    }
  }
});

describe("an alert after the handshake", () => {
  holdProcess();

  it(
    "breaks the connection of a client without the certificate that the server requires",
    limit,
    async () => {
      const tls = { ...serverTls, clientAuth: "require", rootCas: [authority] } as const;
      const listener = await listenTls("tcp", "127.0.0.1:0", { tls });
      const accepting = listener.accept().catch(() => {});
      const client = await dialTls("tcp", `localhost:${(listener.addr as TcpAddr).port}`, { tls: clientTls });
      const { error } = await readAll(client);
      isBroken(error);
      client.closeNow();
      await listener.close();
      await accepting;
    },
  );
});
