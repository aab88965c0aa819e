/** A server that passes each message to all clients, over the public API: `broadcast.ts PORT [deflate]`. */
import process from "node:process";
import { Hub, listenAndServe } from "../../mod.ts";

const [port = "8080", deflate] = process.argv.slice(2);
const hub = new Hub<undefined>();

await listenAndServe("tcp", `127.0.0.1:${port}`, {
  compression: deflate === "deflate",
  async websocket(conn) {
    hub.register(conn, undefined);
    for await (const message of conn) hub.broadcast(message.data);
  },
});
