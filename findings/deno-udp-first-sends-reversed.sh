#!/usr/bin/env bash
# Deno: the first datagrams of a socket, sent without waiting in between, leave in reverse
#
# Version: node:dgram and Deno.listenDatagram (--unstable-net) of Deno 2.9.5; node:dgram of Node 24.21.0 and
#   Bun 1.4.5 beside it.
# Behaviour: 50 calls of send() in one turn, on a socket that has sent nothing yet, arrive as 49, 48, ... 0
#   at a receiver in another process. A second burst of the same socket arrives in order, and so does
#   everything when each send is awaited. Node and Bun keep the order of the calls both times.
# Guess: 0, 1, ... 49. UDP promises no order on the way, but on loopback nothing comes between, the calls
#   are made one after the other, and the kernel's queue of one socket is a queue. A protocol that says
#   "begin" in its first datagram finds it last, and only right after the start.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >receiver.mjs <<'JS'
import { createSocket } from "node:dgram";
import { renameSync, writeFileSync } from "node:fs";
import process from "node:process";

const bursts = { a: [], b: [] };
const socket = createSocket("udp4");
socket.on("message", (message) => {
  const [burst, number] = String(message).split(" ");
  bursts[burst].push(Number(number));
  if (bursts.a.length + bursts.b.length === 100) show();
});
socket.bind(0, "127.0.0.1", () => {
  writeFileSync("port.new", String(socket.address().port));
  renameSync("port.new", "port");
});
setTimeout(show, 20_000);

function show() {
  const order = (list) => {
    if (list.length !== 50) return `${list.length} of 50`;
    if (list.every((n, i) => n === i)) return "in order";
    return list.every((n, i) => n === 49 - i) ? "reversed" : list.join(",");
  };
  console.log(`first burst ${order(bursts.a)}, second burst ${order(bursts.b)}`);
  process.exit(0);
}
JS

cat >sender.mjs <<'JS'
import { createSocket } from "node:dgram";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
while (!existsSync("port")) await pause(20);
const port = Number(readFileSync("port", "utf8"));
let send;
if (process.argv[2] === "native") {
  const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  send = (text) => conn.send(new TextEncoder().encode(text), { transport: "udp", hostname: "127.0.0.1", port });
} else {
  const socket = createSocket("udp4");
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
  send = (text) => socket.send(text, port, "127.0.0.1");
}
for (const burst of ["a", "b"]) {
  for (let i = 0; i < 50; i++) send(`${burst} ${i}`);
  await pause(500);
}
process.exit(0);
JS

run() {
  local name=$1
  shift
  rm -f port
  timeout 60 node_modules/.bin/node receiver.mjs >order &
  timeout 60 node_modules/.bin/"$@"
  wait $!
  echo "$name: $(cat order)"
}
actual=$(
  run node node sender.mjs
  run bun bun sender.mjs
  run "deno, node:dgram" deno run --allow-all --quiet sender.mjs
  run "deno, Deno.listenDatagram" deno run --allow-all --quiet --unstable-net sender.mjs native
)
expected='node: first burst in order, second burst in order
bun: first burst in order, second burst in order
deno, node:dgram: first burst reversed, second burst in order
deno, Deno.listenDatagram: first burst reversed, second burst in order'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
