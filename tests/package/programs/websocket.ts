import { listen } from "jackfield/net";
import {
  CloseCode,
  CloseError,
  dialWebSocket,
  HandshakeError,
  listenAndServe,
  serve,
  Upgrader,
  type WebSocketConn,
} from "jackfield/websocket";
import { authority, localhost } from "./certificates.ts";
import { equal, text } from "./check.ts";

async function echo(conn: WebSocketConn): Promise<void> {
  for await (const message of conn) await conn.writeMessage(message.data);
}

async function converse(url: string, compression: boolean): Promise<void> {
  const conn = await dialWebSocket(url, { compression, tls: { rootCas: [authority] } });
  const long = "the same again and again, ".repeat(10_000);
  for (const sent of ["hello", "zwölf", long, ""]) {
    await conn.writeMessage(sent);
    equal((await conn.readMessage()).data, sent);
  }
  await conn.writeMessage(Uint8Array.of(1, 2, 3));
  equal(Array.from((await conn.readMessage()).data as Uint8Array), [1, 2, 3]);
  await conn.close(CloseCode.NormalClosure, "done");
  equal((await conn.closed).code, 1000);
}

const tls = { certificates: [localhost] };
const plain = await listenAndServe("tcp", "127.0.0.1:0", {
  websocket: echo,
  compression: true,
  fetch: (request) => new Response(`${request.method} ${new URL(request.url).pathname}`),
});
const secure = await listenAndServe("tcp", "127.0.0.1:0", { websocket: echo, compression: true, tls });
for (const compression of [true, false]) {
  await converse(`ws://${plain.addr}/`, compression);
  await converse(`wss://${String(secure.addr).replace("127.0.0.1", "localhost")}/`, compression);
}
equal(await (await fetch(`http://${plain.addr}/page`)).text(), "GET /page");
const origin = { headers: { origin: "https://elsewhere.example" } };
const refused = await dialWebSocket(`ws://${plain.addr}/`, origin).catch((error: unknown) => error);
equal(refused instanceof HandshakeError && refused.status, 403);
await Promise.all([plain.shutdown(), secure.shutdown()]);

// What is wrong on the wire has its close code, and a limit too.
const strict = serve(await listen("tcp", "127.0.0.1:0"), {
  readLimit: 10,
  async websocket(conn) {
    const error = await conn.readMessage().catch((error: unknown) => error);
    equal((error as Error).name, "MessageTooBigError");
  },
});
const conn = await dialWebSocket(`ws://${strict.addr}/`);
await conn.writeMessage("more than ten bytes");
const error = await conn.readMessage().catch((error: unknown) => error);
equal(error instanceof CloseError && error.code, CloseCode.MessageTooBig);
await strict.shutdown();
equal(typeof new Upgrader().upgrade, "function");
equal(text(new Uint8Array(0)), "");
console.log("ok");
