/** An echo server that shares its port with other processes (SO_REUSEPORT): `shared_echo.ts PORT [deflate]`. */
import process from "node:process";
import { listen, serve } from "../../mod.ts";

const [port = "8080", deflate] = process.argv.slice(2);

serve(await listen("tcp", `127.0.0.1:${port}`, { reusePort: true }), {
  compression: deflate === "deflate",
  async websocket(conn) {
    for await (const message of conn) await conn.writeMessage(message.data);
  },
});
