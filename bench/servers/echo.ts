/** An echo server over the public API, as anybody would write it: `echo.ts PORT`. */
import { listenAndServe } from "../../mod.ts";

const [port = "8080"] = process.argv.slice(2);

await listenAndServe("tcp", `127.0.0.1:${port}`, {
  readLimit: 16 * 1024 * 1024,
  async websocket(conn) {
    for await (const message of conn) await conn.writeMessage(message.data);
  },
});
