#!/usr/bin/env bash
# close() on a WebSocket that is still connecting: Node calls the handlers inside close(), and readyState goes back
#
# Version: Node 24.21.0; Bun 1.4.5 and Deno 2.9.5 beside it.
# Behaviour: on Node `error` and `close` are dispatched before close() returns, with readyState 3 (CLOSED);
#   then close() sets readyState to 2 (CLOSING), where it stays for good. No handler runs afterwards.
# Guess: close() returns with readyState 2, the handlers run in a later task, and readyState ends at 3. The
#   WebSocket standard sets CLOSING in close() itself and queues a task for "the connection is closed"; Bun
#   and Deno do it so. Code that sets a flag or a handler after close(), or waits until readyState is CLOSED
#   (a pool, a reconnect loop), waits for ever on Node.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { createServer } from "node:net";
import process from "node:process";

// Takes connections and says nothing: the handshake stays open.
const server = createServer((socket) => socket.on("error", () => {}));
server.listen(0, "127.0.0.1", () => {
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}/`);
  const seen = [];
  socket.onerror = () => seen.push(`error(${socket.readyState})`);
  socket.onclose = () => seen.push(`close(${socket.readyState})`);
  setTimeout(() => {
    seen.push("[");
    socket.close();
    seen.push(`](${socket.readyState})`);
    setTimeout(() => {
      console.log(`${seen.join(" ")} later(${socket.readyState})`);
      process.exit(0);
    }, 1000);
  }, 200);
});
JS

run() { printf '%s: ' "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>&1; }
actual=$(run node --no-warnings; run bun; run deno run --allow-all --quiet)
expected='node: [ error(3) close(3) ](2) later(2)
bun: [ ](2) error(3) close(3) later(3)
deno: [ ](2) error(3) close(3) later(3)'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
