/** The peer on Node, npm `ws`: `ws.ts PORT echo|broadcast [deflate]`. */
import process from "node:process";
import { type WebSocket, WebSocketServer } from "ws";

const [port = "8080", work = "echo", deflate] = process.argv.slice(2);
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  maxPayload: 16 * 1024 * 1024,
  perMessageDeflate: deflate === "deflate",
});

server.on("connection", (socket: WebSocket) => {
  socket.on("error", () => {});
  if (work === "echo") socket.on("message", (data, binary) => socket.send(data, { binary }));
  else {
    socket.on("message", (data, binary) => {
      for (const client of server.clients) client.send(data, { binary });
    });
  }
});
