// Plain JavaScript, as written without TypeScript.
import { dial, Hub, listen } from "jackfield";
import { Framed, JsonLinesCodec } from "jackfield/framing";
import { ConnMember } from "jackfield/hub";
import { splitHostPort } from "jackfield/net";
import { acceptKey } from "jackfield/protocol";
import { dialWebSocket, listenAndServe } from "jackfield/websocket";

const listener = await listen("tcp", "127.0.0.1:0");
const accepted = listener.accept();
const client = new Framed(await dial("tcp", String(listener.addr)), new JsonLinesCodec());
const server = new Framed(await accepted, new JsonLinesCodec());
await client.write({ question: [1, 2, 3] });
const { question } = await server.read();
await server.write(question.reduce((sum, x) => sum + x));
if (await client.read() !== 6) throw new Error("the sum is wrong");
await Promise.all([client.close(), server.close(), listener.close()]);

if (splitHostPort(String(listener.addr)).hostname !== "127.0.0.1") throw new Error("the address is wrong");
if (acceptKey("dGhlIHNhbXBsZSBub25jZQ==") !== "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
  throw new Error("the key is wrong");
}

const hub = new Hub();
if (hub.room("lobby").name !== "lobby" || typeof ConnMember !== "function") throw new Error("no room");
const websockets = await listenAndServe("tcp", "127.0.0.1:0", {
  websocket: async (conn) => {
    hub.register(conn, null);
    for await (const message of conn) hub.broadcast(message.data);
  },
});
const ws = await dialWebSocket(`ws://${websockets.addr}/`);
await ws.writeMessage("hello");
if ((await ws.readMessage()).data !== "hello") throw new Error("the echo is wrong");
await ws.close();
await websockets.shutdown();
console.log("ok");
