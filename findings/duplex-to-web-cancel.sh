#!/usr/bin/env bash
# Duplex.toWeb(socket): cancelling the readable side destroys the socket, and the next write resolves and is lost
#
# Version: node:stream of Node 24.21.0, Bun 1.4.5 and Deno 2.9.5.
# Behaviour: after `await pair.readable.cancel()` the socket is destroyed on all three, and the peer sees FIN. On
#   Node and Bun the first write() to `pair.writable` resolves all the same, and its bytes are lost;
#   only the second rejects. On Deno the first rejects too.
# Guess: the writable side goes on. In the Streams standard the two sides of a pair are streams of their own,
#   cancel() says of one that nothing more will be read, and `allowHalfOpen: true` lets a socket live with one
#   side. The farewell of a client that has read all it wanted counts as sent, and is not.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import process from "node:process";
import { Duplex } from "node:stream";

const pause = () => new Promise((resolve) => setTimeout(resolve, 200));
const peer = { received: 0, end: "open" };
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  socket.on("data", (chunk) => peer.received += chunk.length);
  socket.on("end", () => peer.end = "FIN");
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const socket = connect({ port: server.address().port, host: "127.0.0.1", allowHalfOpen: true });
await once(socket, "connect");

const pair = Duplex.toWeb(socket);
await pair.readable.cancel();
const writer = pair.writable.getWriter();
writer.closed.catch(() => {});
const seen = [`destroyed ${socket.destroyed}`];
for (const name of ["first", "second"]) {
  const outcome = await writer.write(Buffer.from("farewell")).then(() => "resolves", () => "rejects");
  seen.push(`${name} write ${outcome}`);
  await pause();
}
console.log(`${seen.join(", ")}; the peer got ${peer.received} bytes and ${peer.end}`);
process.exit(0);
JS

run() { printf '%s: ' "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>&1; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node: destroyed true, first write resolves, second write rejects; the peer got 0 bytes and FIN
bun: destroyed true, first write resolves, second write rejects; the peer got 0 bytes and FIN
deno: destroyed true, first write rejects, second write rejects; the peer got 0 bytes and FIN'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
