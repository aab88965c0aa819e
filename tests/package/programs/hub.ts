import { codecEncoding, ConnMember, Hub, type HubMember } from "jackfield/hub";
import { Framed, LinesCodec } from "jackfield/framing";
import { pipe } from "jackfield/net";
import { dialWebSocket, listenAndServe } from "jackfield/websocket";
import { equal } from "./check.ts";

const hub = new Hub<{ name: string }>();
const lobby = hub.room("lobby");
const server = await listenAndServe("tcp", "127.0.0.1:0", {
  compression: true,
  async websocket(conn) {
    const member: HubMember<{ name: string }> = hub.register(conn, { name: "somebody" });
    member.join("lobby");
    for await (const message of conn) lobby.broadcast(message.data);
  },
});
const [here, there] = pipe();
hub.register(new ConnMember(there, codecEncoding(new LinesCodec(), (message) => message.text())), {
  name: "a terminal",
}).join(
  "lobby",
);
const lines = new Framed(here, new LinesCodec());

const url = `ws://${server.addr}/`;
const [ann, ben] = await Promise.all([dialWebSocket(url, { compression: true }), dialWebSocket(url)]);
await ann.writeMessage("hello, everybody");
equal((await ann.readMessage()).data, "hello, everybody");
equal((await ben.readMessage()).data, "hello, everybody");
equal(await lines.read(), "hello, everybody");
equal(lobby.size, 3);
await Promise.all([ann.close(), ben.close(), lines.close()]);
await hub.close();
await server.shutdown();
console.log("ok");
