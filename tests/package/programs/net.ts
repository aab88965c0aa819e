import {
  type Conn,
  DeadlineExceededError,
  dial,
  dialTls,
  listen,
  type Listener,
  listenPacket,
  listenTls,
  NetError,
  pipe,
  readAll,
  TlsError,
} from "jackfield/net";
import { authority, localhost } from "./certificates.ts";
import { bytes, equal, text } from "./check.ts";

async function echo(listener: Listener): Promise<void> {
  for await (const conn of listener) void echoOn(conn);
}

async function echoOn(conn: Conn): Promise<void> {
  for (let chunk = await conn.readChunk(); chunk !== null; chunk = await conn.readChunk()) {
    await conn.write(chunk);
  }
  await conn.close();
}

async function converse(conn: Conn): Promise<void> {
  conn.setReadDeadline(Date.now() + 20);
  const expired = await conn.readChunk().catch((error: unknown) => error);
  equal(expired instanceof DeadlineExceededError, true);
  conn.setReadDeadline(Date.now() + 10_000);
  const sent = "a line of text\n".repeat(20_000);
  const received = readAll(conn);
  await conn.write(bytes(sent));
  await conn.closeWrite();
  equal(text(await received).length, sent.length);
  await conn.close();
}

// TCP
const tcp: Listener = await listen("tcp", "127.0.0.1:0");
void echo(tcp);
await converse(await dial("tcp", String(tcp.addr), { timeout: 5_000 }));
await tcp.close();
const refused = await dial("tcp", String(tcp.addr)).catch((error: unknown) => error);
equal(refused instanceof NetError && refused.code, "ECONNREFUSED");

const shared = await listen("tcp", "127.0.0.1:0", { reusePort: true }).catch((error: unknown) =>
  error as NetError
);
if (shared instanceof NetError) equal(shared.code, "ENOTSUP");
else {
  // Where it is taken, it does something.
  await (await listen("tcp", String(shared.addr), { reusePort: true })).close();
  await shared.close();
}

// TLS
const tls = await listenTls("tcp", "127.0.0.1:0", { tls: { certificates: [localhost] } });
void echo(tls);
const address = String(tls.addr).replace("127.0.0.1", "localhost");
await converse(await dialTls("tcp", address, { tls: { rootCas: [authority] } }));
const untrusted = await dialTls("tcp", address).catch((error: unknown) => error);
equal(untrusted instanceof TlsError && untrusted.code, "ECERTUNTRUSTED");
await tls.close();

// What was lost with a connection was not written.
const breaking = await listenTls("tcp", "127.0.0.1:0", { tls: { certificates: [localhost] } });
const [broken, breaker] = await Promise.all([
  dialTls("tcp", String(breaking.addr).replace("127.0.0.1", "localhost"), { tls: { rootCas: [authority] } }),
  breaking.accept(),
]);
const lost = broken.write(new Uint8Array(32 << 20)).catch((error: unknown) => error);
await breaker.readChunk();
breaker.closeNow();
equal(await lost instanceof NetError, true);
await Promise.all([broken.close(), breaking.close()]);

// UDP
const server = await listenPacket("udp", "127.0.0.1:0");
void (async () => {
  for await (const { data, addr } of server) await server.writeTo(data, addr);
})();
const client = await dial("udp", String(server.localAddr));
await client.write(bytes("a datagram"));
client.setReadDeadline(Date.now() + 10_000);
equal(text((await client.readFrom()).data), "a datagram");
await client.close();
await server.close();

// In memory
const [here, there] = pipe();
void echoOn(there);
await here.write(bytes("in memory"));
equal(text(await here.readChunk()), "in memory");
await here.close();
console.log("ok");
