/** The peer on Deno, `Deno.serve`: `deno_serve.ts PORT echo|broadcast`. `Deno.serve` has no compression. */

declare const Deno: {
  args: string[];
  serve(options: object, handler: (request: Request) => Response): unknown;
  upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
};

const [port = "8080", work = "echo"] = Deno.args;
const all = new Set<WebSocket>();

function send(socket: WebSocket, data: string | ArrayBuffer): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(data);
}

Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => all.add(socket);
  socket.onclose = () => all.delete(socket);
  socket.onmessage = ({ data }) => {
    if (work === "echo") send(socket, data);
    else for (const other of all) send(other, data);
  };
  return response;
});
