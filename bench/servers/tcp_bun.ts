/** The control on Bun: a bare TCP echo over `Bun.listen`. `tcp_bun.ts PORT`. */

interface EchoSocket {
  data: Uint8Array[];
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
}
declare const Bun: { listen(options: object): unknown };

const [port = "8080"] = process.argv.slice(2);

function flush(socket: EchoSocket): void {
  for (let first = socket.data[0]; first !== undefined; first = socket.data[0]) {
    const taken = socket.write(first);
    if (taken < first.length) {
      socket.data[0] = first.subarray(Math.max(taken, 0));
      return socket.pause();
    }
    socket.data.shift();
  }
  socket.resume();
}

Bun.listen({
  hostname: "127.0.0.1",
  port: Number(port),
  socket: {
    binaryType: "uint8array",
    open(socket: EchoSocket) {
      socket.data = [];
    },
    data(socket: EchoSocket, chunk: Uint8Array) {
      const taken = socket.data.length > 0 ? 0 : socket.write(chunk);
      if (taken === chunk.length) return;
      socket.data.push(chunk.subarray(Math.max(taken, 0)));
      socket.pause();
    },
    drain: flush,
  },
});
