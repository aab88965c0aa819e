/** The control on Node: a bare TCP echo over `node:net`. `tcp_node.ts PORT`. */
import { createServer } from "node:net";

const [port = "8080"] = process.argv.slice(2);

createServer({ noDelay: true }, (socket) => {
  socket.on("data", (chunk) => {
    if (!socket.write(chunk)) {
      socket.pause();
      socket.once("drain", () => socket.resume());
    }
  });
  socket.on("error", () => socket.destroy());
}).listen(Number(port), "127.0.0.1");
