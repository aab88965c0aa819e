/** TLS: accepted and refused certificates, with equal error codes on every runtime. */

import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import {
  ClosedError,
  type Conn,
  dial,
  dialTls,
  type DialTlsOptions,
  listen,
  listenTls,
  NetError,
  pipe,
  type TlsConfig,
  TlsError,
  upgradeTls,
} from "../../mod.ts";
import { authority, certificate, clientTls, serverTls, stranger } from "./certificates.ts";
import { holdProcess, limit } from "./support.ts";

holdProcess();

const utf8 = new TextEncoder();
const text = (bytes: Uint8Array | null): string | null => bytes && new TextDecoder().decode(bytes);

/** Serves with a configuration while `body` runs; handshakes that fail are gathered. */
async function withServer(
  tls: TlsConfig,
  body: (
    address: string,
    accept: () => ReturnType<typeof acceptOf>,
    failed: () => Promise<NetError>,
  ) => Promise<void>,
  options: { handshakeTimeout?: number } = {},
): Promise<void> {
  const failures: NetError[] = [];
  let told = (): void => {};
  const onHandshakeError = (error: NetError) => {
    failures.push(error);
    told();
  };
  const listener = await listenTls("tcp", "127.0.0.1:0", { tls, onHandshakeError, ...options });
  // Something must ask for connections, or nothing is accepted where the kernel can hold them.
  const accepts: ReturnType<typeof acceptOf>[] = [];
  const next = () => accepts.shift() ?? acceptOf(listener);
  const failed = async () => {
    const pending = acceptOf(listener);
    pending.catch(() => {});
    accepts.push(pending);
    while (failures.length === 0) await new Promise<void>((resolve) => told = resolve);
    return failures.shift()!;
  };
  try {
    await body(`127.0.0.1:${(listener.addr as { port: number }).port}`, next, failed);
  } finally {
    await listener.close();
    for (const pending of accepts) await assert.rejects(pending, ClosedError);
  }
}

function acceptOf(listener: Awaited<ReturnType<typeof listenTls>>) {
  return listener.accept();
}

/** What a client is told that must refuse. The server is told too: by its handshake, or by the end of the connection. */
async function refusal(server: TlsConfig, options: DialTlsOptions): Promise<unknown> {
  const { promise: told, resolve: tell } = Promise.withResolvers<unknown>();
  const listener = await listenTls("tcp", "127.0.0.1:0", { tls: server, onHandshakeError: tell });
  const accepting = listener.accept().then(async (conn) => {
    tell(await conn.readChunk().catch((error) => error));
    await conn.close();
  }, (error) => assert.ok(error instanceof ClosedError));
  const dialled = await dialTls("tcp", String(listener.addr), options).catch((error) => error);
  const word = await told;
  if (word !== null) {
    assert.ok(word instanceof NetError && word.code !== "ETIMEDOUT", `the server heard ${word}`);
  }
  await listener.close();
  await accepting;
  return dialled;
}

function isTlsError(error: unknown, code: string): true {
  assert.ok(error instanceof TlsError, `not a TlsError: ${error}`);
  assert.equal(error.code, code);
  assert.equal(error.name, "TlsError");
  assert.equal(error.op, "handshake");
  assert.equal(error.network, "tcp");
  assert.match(error.addr!, /^127\.0\.0\.1:\d+$/);
  assert.equal(error.timeout, false);
  return true;
}

describe("a client refuses a server", () => {
  const cases: [string, TlsConfig, TlsConfig, string][] = [
    ["of an authority that it does not know", serverTls, { rootCas: [stranger] }, "ECERTUNTRUSTED"],
    ["of a private authority, when it is told of none", serverTls, {}, "ECERTUNTRUSTED"],
    ["when it trusts nobody", serverTls, { rootCas: [] }, "ECERTUNTRUSTED"],
    ["that is another", { certificates: [certificate("elsewhere")] }, clientTls, "ECERTNAME"],
    ["that is not the name it was told", serverTls, { ...clientTls, serverName: "other.test" }, "ECERTNAME"],
    [
      "that is not the address it was told",
      serverTls,
      { ...clientTls, serverName: "127.0.0.2" },
      "ECERTNAME",
    ],
    ["whose certificate has expired", { certificates: [certificate("expired")] }, clientTls, "ECERTEXPIRED"],
    [
      "whose certificate is not valid yet",
      { certificates: [certificate("early")] },
      clientTls,
      "ECERTEXPIRED",
    ],
    [
      "that has no application protocol in common",
      { ...serverTls, nextProtos: ["b"] },
      { ...clientTls, nextProtos: ["a"] },
      "ETLS",
    ],
  ];
  for (const [name, server, client, code] of cases) {
    it(name, limit, async () => {
      isTlsError(await refusal(server, { tls: client }), code);
    });
  }

  it("that signed for itself", limit, async () => {
    const certificates = [certificate("selfsigned")];
    isTlsError(await refusal({ certificates }, { tls: clientTls }), "ECERTUNTRUSTED");
  });

  it("that does not speak TLS", limit, async () => {
    for (
      const greeting of ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail.test ESMTP\r\n", "\0\0\0\0\0\0\0\0"]
    ) {
      await withPlainServer((socket) => socket.write(greeting), async (address) => {
        await assert.rejects(dialTls("tcp", address), (error) => isTlsError(error, "ENOTTLS"));
      });
    }
  });

  it("but takes any when it was told to", limit, async () => {
    for (const name of ["elsewhere", "expired"]) {
      await withServer({ certificates: [certificate(name)] }, async (address, accept) => {
        const [client, server] = await Promise.all([
          dialTls("tcp", address, { tls: { insecureSkipVerify: true } }),
          accept(),
        ]);
        await exchange(client, server);
        assert.ok(client.connectionState.peerCertificate!.length > 100);
        await Promise.all([client.close(), server.close()]);
      });
    }
  });
});

describe("a server refuses a client", () => {
  const require: TlsConfig = { ...serverTls, clientAuth: "require", rootCas: [authority] };
  const request: TlsConfig = { ...require, clientAuth: "request" };

  /** The client may be told only after its own handshake. */
  async function refusedBy(server: TlsConfig, client: TlsConfig, code: string): Promise<void> {
    await withServer(server, async (address, _, failed) => {
      const failure = failed();
      const dialling = dialTls("tcp", address, { tls: client }).then(
        async (conn) => {
          await assert.rejects(async () => {
            for (let i = 0; i < 1000; i++) await conn.write(new Uint8Array(1000));
            await conn.readChunk();
            throw new NetError({ op: "read", network: "tcp", code: "ECONNRESET" });
          }, NetError);
          conn.closeNow();
        },
        (error) => assert.ok(error instanceof NetError, `not a NetError: ${error}`),
      );
      isTlsError(await failure, code);
      await dialling;
    });
  }

  it(
    "that shows no certificate, when it insists on one",
    limit,
    () => refusedBy(require, clientTls, "ECERTREQUIRED"),
  );

  it("whose certificate is of an authority that it does not know", limit, async () => {
    const impostor = { ...clientTls, certificates: [certificate("impostor")] };
    await refusedBy(require, impostor, "ECERTUNTRUSTED");
    await refusedBy(request, impostor, "ECERTUNTRUSTED");
  });

  const servers: [string, TlsConfig][] = [
    ["one certificate", serverTls],
    ["several certificates", { certificates: [certificate("localhost"), certificate("elsewhere")] }],
    ["several certificates and authorities", {
      ...require,
      certificates: [certificate("localhost"), certificate("elsewhere")],
    }],
  ];
  for (const [name, server] of servers) {
    it(`that does not speak TLS, with ${name}`, limit, async () => {
      for (
        const greeting of ["GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "EHLO a.test\r\n", "\0\0\0\0\0\0\0\0"]
      ) {
        await withServer(server, async (address, _, failed) => {
          const failure = failed();
          const socket = connect({ host: "127.0.0.1", port: Number(address.split(":")[1]) });
          socket.on("error", () => {});
          socket.write(greeting);
          isTlsError(await failure, "ENOTTLS");
          socket.destroy();
        });
      }
    });
  }

  it("but takes one that shows a good certificate", limit, async () => {
    for (const tls of [require, request]) {
      await withServer(tls, async (address, accept) => {
        const [client, server] = await Promise.all([
          dialTls("tcp", address, { tls: { ...clientTls, certificates: [certificate("client")] } }),
          accept(),
        ]);
        await exchange(client, server);
        assert.deepEqual(server.connectionState.peerCertificate, der(certificate("client").cert));
        await Promise.all([client.close(), server.close()]);
      });
    }
  });

  it("but takes one without a certificate when it only asks", limit, async () => {
    await withServer(request, async (address, accept) => {
      const [client, server] = await Promise.all([dialTls("tcp", address, { tls: clientTls }), accept()]);
      await exchange(client, server);
      assert.equal(server.connectionState.peerCertificate, null);
      await Promise.all([client.close(), server.close()]);
    });
  });
});

describe("what a handshake agrees on", () => {
  it("is the same for both", limit, async () => {
    await withServer({ ...serverTls, nextProtos: ["c", "b"] }, async (address, accept) => {
      const tls = { ...clientTls, nextProtos: ["a", "b"], serverName: "localhost" };
      const [client, server] = await Promise.all([dialTls("tcp", address, { tls }), accept()]);
      await exchange(client, server);
      const { peerCertificate, ...state } = client.connectionState;
      assert.deepEqual(state, { version: "TLSv1.3", negotiatedProtocol: "b", serverName: "localhost" });
      assert.deepEqual(peerCertificate, der(certificate("localhost").cert));
      assert.deepEqual(server.connectionState, { ...state, peerCertificate: null });
      await Promise.all([client.close(), server.close()]);
    });
  });

  it("has no protocol when nobody asks, and no name when an address is dialled", limit, async () => {
    await withServer(serverTls, async (address, accept) => {
      const [client, server] = await Promise.all([dialTls("tcp", address, { tls: clientTls }), accept()]);
      assert.equal(client.connectionState.negotiatedProtocol, null);
      assert.equal(server.connectionState.negotiatedProtocol, null);
      assert.equal(server.connectionState.serverName, null);
      await Promise.all([client.close(), server.close()]);
    });
  });

  it("is a certificate by the name that the client asks for", limit, async () => {
    const tls = { certificates: [certificate("elsewhere"), certificate("localhost")] };
    await withServer(tls, async (address, accept) => {
      for (const name of ["localhost", "elsewhere.test", "a.example.test"]) {
        const dialling = dialTls("tcp", address, { tls: { ...clientTls, serverName: name } });
        const [client, server] = await Promise.all([dialling, accept()]);
        await exchange(client, server);
        assert.equal(server.connectionState.serverName, name);
        await Promise.all([client.close(), server.close()]);
      }
    });
  });
});

describe("a handshake", () => {
  it("of a client ends at its time-out", limit, async () => {
    await withPlainServer(() => {}, async (address) => {
      for (const options of [{ handshakeTimeout: 50 }, { timeout: 50 }]) {
        await assert.rejects(dialTls("tcp", address, options), (error) => {
          assert.ok(error instanceof NetError);
          assert.equal(error.code, "ETIMEDOUT");
          assert.equal(error.timeout, true);
          return true;
        });
      }
    });
  });

  it("of a client ends when its signal is aborted", limit, async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    await withPlainServer(() => abort.abort(reason), async (address) => {
      await assert.rejects(dialTls("tcp", address, { signal: abort.signal }), (error) => error === reason);
    });
  });

  it("of a client fails when the server leaves", limit, async () => {
    for (const leave of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
      await withPlainServer((socket) => void socket.once("data", () => leave(socket)), async (address) => {
        await assert.rejects(dialTls("tcp", address), (error) => {
          assert.ok(error instanceof NetError, `not a NetError: ${error}`);
          assert.equal(error.code, "ECONNRESET");
          return true;
        });
      });
    }
  });

  it("of a server ends at its time-out, and holds up no other", limit, async () => {
    await withServer(serverTls, async (address, accept, failed) => {
      const silent = connect({ host: "127.0.0.1", port: Number(address.split(":")[1]) });
      silent.on("error", () => {});
      const failure = failed();
      const [client, server] = await Promise.all([dialTls("tcp", address, { tls: clientTls }), accept()]);
      await exchange(client, server);
      await Promise.all([client.close(), server.close()]);
      assert.equal((await failure).code, "ETIMEDOUT");
      silent.destroy();
    }, { handshakeTimeout: 1000 });
  });

  it("that is under way when the listener is closed is dropped", limit, async () => {
    const listener = await listenTls("tcp", "127.0.0.1:0", { tls: serverTls });
    const accepting = assert.rejects(listener.accept(), ClosedError);
    const { port } = listener.addr as { port: number };
    const socket = connect({ host: "127.0.0.1", port });
    await new Promise((resolve) => socket.once("connect", resolve));
    // The server has met the client once it answers nonsense… it does not: a turn of both loops has to do.
    const gone = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {}).resume();
    await listener.close();
    await accepting;
    await gone;
  });
});

describe("upgradeTls", () => {
  it("goes on where plain text ended", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const [plainClient, plainServer] = await Promise.all([
      dial("tcp", String(listener.addr)),
      listener.accept(),
    ]);
    await plainClient.write(utf8.encode("STARTTLS\r\n"));
    assert.equal(text(await plainServer.readChunk()), "STARTTLS\r\n");
    await plainServer.write(utf8.encode("220 Go\r\n"));
    assert.equal(text(await plainClient.readChunk()), "220 Go\r\n");
    const [client, server] = await Promise.all([
      upgradeTls(plainClient, { tls: { ...clientTls, serverName: "localhost" } }),
      upgradeTls(plainServer, { role: "server", tls: serverTls }),
    ]);
    await exchange(client, server);
    await assert.rejects(plainClient.readChunk(), ClosedError);
    await assert.rejects(plainServer.write(new Uint8Array(1)), ClosedError);
    await Promise.all([client.close(), server.close()]);
    await listener.close();
  });

  it("takes what came before it for a part of the handshake", limit, async () => {
    const [a, b] = pipe();
    const upgrading = upgradeTls(a, { tls: { ...clientTls, serverName: "localhost" } });
    // The client's hello is there, and read ahead, before the server begins.
    const p = new Uint8Array(1);
    assert.equal(await b.read(p), 1);
    const [c, d] = pipe();
    await c.write(p);
    void forward(b, c);
    void forward(c, b);
    const server = await upgradeTls(d, { role: "server", tls: serverTls });
    await exchange(await upgrading, server);
    server.closeNow();
  });

  it("never takes plain text that was sent along for data", limit, async () => {
    const [a, b] = pipe();
    await a.write(utf8.encode("MAIL FROM:<attacker@a.test>\r\n"));
    await assert.rejects(
      upgradeTls(b, { role: "server", tls: serverTls }),
      (error) => error instanceof TlsError && error.code === "ENOTTLS",
    );
    a.closeNow();
  });

  it("refuses a client that does not say whom it wants, and a connection in use", limit, async () => {
    const [a, b] = pipe();
    await assert.rejects(upgradeTls(a, { tls: clientTls }), TypeError);
    const reading = a.readChunk();
    await assert.rejects(upgradeTls(a, { tls: { ...clientTls, serverName: "localhost" } }), TypeError);
    await b.write(Uint8Array.of(1));
    assert.deepEqual(await reading, Uint8Array.of(1));
    await b.close();
    await a.close();
    await assert.rejects(upgradeTls(a, { tls: { ...clientTls, serverName: "localhost" } }), ClosedError);
  });

  it("fails when the peer has left", limit, async () => {
    const [a, b] = pipe();
    await b.close();
    assert.equal(await a.readChunk(), null);
    await assert.rejects(upgradeTls(a, { tls: { ...clientTls, serverName: "localhost" } }), NetError);
  });
});

describe("a configuration", () => {
  const { cert, key } = certificate("localhost");
  const cases: [string, TlsConfig][] = [
    ["without a certificate", {}],
    ["whose certificate is none", { certificates: [{ cert: "nonsense", key }] }],
    ["whose key is none", { certificates: [{ cert, key: "nonsense" }] }],
    ["whose certificate and key do not belong together", {
      certificates: [{ cert, key: certificate("client").key }],
    }],
    ["whose authority is none", { ...serverTls, rootCas: ["nonsense"], clientAuth: "require" }],
    ["that asks for clients of no authority", { ...serverTls, clientAuth: "require" }],
    ["with an empty protocol", { ...serverTls, nextProtos: [""] }],
    ["with a protocol that is too long", { ...serverTls, nextProtos: ["a".repeat(256)] }],
    ["with an unknown clientAuth", { ...serverTls, clientAuth: "maybe" as never }],
  ];
  for (const [name, tls] of cases) {
    it(`${name} is refused at once`, limit, async () => {
      await assert.rejects(listenTls("tcp", "127.0.0.1:0", { tls }), TypeError);
    });
  }

  it("of a time-out that is none is refused at once", limit, async () => {
    await assert.rejects(dialTls("tcp", "127.0.0.1:1", { handshakeTimeout: 0 }), RangeError);
    await assert.rejects(dialTls("unix" as never, "/nowhere"), TypeError);
  });
});

async function exchange(client: Conn, server: Conn): Promise<void> {
  await client.write(utf8.encode("ping"));
  assert.equal(text(await server.readChunk()), "ping");
  await server.write(utf8.encode("pong"));
  assert.equal(text(await client.readChunk()), "pong");
}

async function forward(from: Conn, to: Conn): Promise<void> {
  try {
    for (let chunk = await from.readChunk(); chunk !== null; chunk = await from.readChunk()) {
      await to.write(chunk);
    }
    await to.closeWrite();
  } catch {
    to.closeNow();
  }
}

async function withPlainServer(
  onConnection: (socket: Socket) => void,
  body: (address: string) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onConnection(socket.resume());
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  try {
    await body(`127.0.0.1:${(server.address() as { port: number }).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

function der(pem: string): Uint8Array {
  return Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, "")), (char) => char.charCodeAt(0));
}
