#!/usr/bin/env bash
# node:dgram: after bind(0), connect() and disconnect() the socket has no port any more
#
# Version: node:dgram of Node 24.21.0 and Bun 1.4.5 on Linux; Deno 2.9.5 beside them.
# Behaviour: disconnect() gives the port back that bind(0) had got: address().port is 0, what is sent to the
#   old port is not received, no event says so, and the next send takes another port. A socket bound to a
#   port by number keeps it. On Deno both keep it.
# Guess: the port stays. Node's documentation of disconnect() speaks of the remote address alone, and of
#   bind() with port 0 that the system chooses one, after which the two sockets look alike. (The kernel
#   remembers a port only as bound when it was asked for by number.) A socket that talks to one peer for a
#   while and then goes back to listening is deaf afterwards, unless its port was configured.
# Output seen: as `expected` below.
set -euo pipefail
[ "$(uname -s)" = Linux ] || { echo "needs Linux, whose connect() does it" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { createSocket } from "node:dgram";
import { once } from "node:events";
import process from "node:process";

async function bind(port) {
  const socket = createSocket("udp4");
  socket.bind(port, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

// A number that is free now.
async function freePort() {
  const socket = await bind(0);
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

for (const [name, asked] of [["bind(0)", 0], ["bind(number)", await freePort()]]) {
  const peer = await bind(0);
  const socket = await bind(asked);
  const { port } = socket.address();
  let received = 0;
  socket.on("message", () => received++);
  socket.connect(peer.address().port, "127.0.0.1");
  await once(socket, "connect");
  socket.disconnect();
  const now = socket.address().port;
  peer.send("hello", port, "127.0.0.1");
  await new Promise((resolve) => setTimeout(resolve, 500));
  socket.send("hello", peer.address().port, "127.0.0.1");
  const [, from] = await once(peer, "message");
  console.log(
    `  ${name}: port ${now === port ? "kept" : now}, received ${received}, sends from ${from.port === port ? "it" : "another"}`,
  );
}
process.exit(0);
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>/dev/null; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node
  bind(0): port 0, received 0, sends from another
  bind(number): port kept, received 1, sends from it
bun
  bind(0): port 0, received 0, sends from another
  bind(number): port kept, received 1, sends from it
deno
  bind(0): port kept, received 1, sends from it
  bind(number): port kept, received 1, sends from it'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
