/** The peer on Bun, `Bun.serve`: `bun_serve.ts PORT echo|broadcast [deflate]`; broadcasts with its own `publish`. */

interface BunWebSocket {
  send(data: string | Uint8Array, compress?: boolean): number;
  subscribe(topic: string): void;
}
interface BunServer {
  upgrade(request: Request): boolean;
  publish(topic: string, data: string | Uint8Array, compress?: boolean): number;
}
declare const Bun: { serve(options: object): BunServer };

const [port = "8080", work = "echo", deflate] = process.argv.slice(2);
const compress = deflate === "deflate";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  fetch(request: Request, server: BunServer) {
    return server.upgrade(request) ? undefined : new Response("Come by WebSocket\n", { status: 426 });
  },
  websocket: {
    maxPayloadLength: 16 * 1024 * 1024,
    backpressureLimit: 64 * 1024 * 1024,
    // A compressor of its own for each connection, as the others have with context takeover.
    perMessageDeflate: compress && { compress: "dedicated", decompress: "dedicated" },
    open(socket: BunWebSocket) {
      if (work !== "echo") socket.subscribe("all");
    },
    message(socket: BunWebSocket, data: string | Uint8Array) {
      if (work === "echo") socket.send(data, compress);
      else server.publish("all", data, compress);
    },
  },
});
