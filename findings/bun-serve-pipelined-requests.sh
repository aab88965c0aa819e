#!/usr/bin/env bash
# Bun.serve: a second request on the connection, sent before an awaiting handler has answered, loses both answers
#
# Version: Bun 1.4.5 (Bun.serve); node:http of the same Bun and Deno.serve of Deno 2.9.5 beside it.
# Behaviour: two pipelined GETs whose handler answers at once get two answers. When the handler awaits 300
#   ms, Bun.serve closes the connection without a byte of either answer, and the first request's signal is
#   aborted.
# Guess: two answers in order, the second one late. RFC 9112 section 9.3.2: a server may work on pipelined
#   requests one after the other or together, and has to answer in the order in which they came. node:http
#   on Bun and Deno.serve do. A proxy or a load generator that pipelines works with Bun.serve until a
#   handler waits for a database.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { createServer } from "node:http";
import { connect } from "node:net";
import process from "node:process";

const later = () => new Promise((resolve) => setTimeout(resolve, 300));
let aborted = 0;
const handler = (request) => {
  request.signal.addEventListener("abort", () => aborted++);
  const { pathname } = new URL(request.url);
  if (pathname.startsWith("/now")) return new Response(`answer ${pathname}`);
  return later().then(() => new Response(`answer ${pathname}`));
};

function ask(port, paths) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const done = () => {
      socket.destroy();
      resolve(text.match(/answer \/[a-z]+\d/g)?.join(", ") ?? `nothing (${text.length} bytes)`);
    };
    socket.on("connect", () => socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join("")));
    socket.on("data", (chunk) => text += chunk);
    socket.on("end", done);
    socket.on("error", done);
    setTimeout(done, 2000);
  });
}

async function show(name, port) {
  console.log(`  ${name}: one ${await ask(port, ["/later1"])}`);
  console.log(`  ${name}: two ${await ask(port, ["/now1", "/now2"])}`);
  aborted = 0;
  console.log(`  ${name}: two ${await ask(port, ["/later1", "/later2"])}`);
  if (name === "Bun.serve") console.log(`  ${name}: aborted ${aborted}`);
}

const server = createServer(async (request, response) => {
  if (request.url.startsWith("/later")) await later();
  response.end(`answer ${request.url}`);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
if (globalThis.Bun) {
  await show("Bun.serve", Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handler }).port);
  await show("node:http", server.address().port);
}
if (globalThis.Deno) {
  await show("Deno.serve", Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler).addr.port);
}
process.exit(0);
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>/dev/null; }
actual=$(run bun; run deno run --allow-all --quiet)
expected='bun
  Bun.serve: one answer /later1
  Bun.serve: two answer /now1, answer /now2
  Bun.serve: two nothing (0 bytes)
  Bun.serve: aborted 1
  node:http: one answer /later1
  node:http: two answer /now1, answer /now2
  node:http: two answer /later1, answer /later2
deno
  Deno.serve: one answer /later1
  Deno.serve: two answer /now1, answer /now2
  Deno.serve: two answer /later1, answer /later2'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
