/** A plain echo server over the public API: `echo.ts PORT [deflate]`. */
import process from "node:process";
import { listenAndServe } from "../../mod.ts";

const [port = "8080", deflate] = process.argv.slice(2);

await listenAndServe("tcp", `127.0.0.1:${port}`, {
  readLimit: 16 * 1024 * 1024,
  compression: deflate === "deflate",
  async websocket(conn) {
    for await (const message of conn) await conn.writeMessage(message.data);
  },
});
