#!/usr/bin/env bash
# A client that shuts down its sending side behind a whole request gets no answer, unless it comes at once
#
# Version: node:http of Node 24.21.0, Bun 1.4.5 and Deno 2.9.5; Bun.serve; Deno.serve.
# Behaviour: the request is complete, FIN follows, and the handler answers 300 ms later. All five servers
#   close the connection as soon as they see the FIN, and not one byte of an answer is sent. Without the FIN
#   all five answer.
# Guess: node:http answers at least. RFC 9293 section 3.6 lets a side that has closed go on receiving, RFC
#   9112 does not tie an answer to the other direction, and node:http makes its sockets with `allowHalfOpen:
#   true`. All the same it ends them itself. So `printf 'GET ...' | nc -N` and clients that write, shut down
#   and read may work against a handler that answers in the same turn, and break when it first awaits
#   something.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { createServer } from "node:http";
import { connect } from "node:net";
import process from "node:process";

const later = () => new Promise((resolve) => setTimeout(resolve, 300));
const answer = async () => {
  await later();
  return new Response("answer");
};

function ask(port, finish) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    const done = () => {
      socket.destroy();
      resolve(/^HTTP\/1.1 200/.test(text) ? "200" : JSON.stringify(text));
    };
    socket.on("connect", () => {
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      if (finish) socket.end();
    });
    socket.on("data", (chunk) => text += chunk);
    socket.on("end", done);
    socket.on("error", done);
    setTimeout(done, 2000);
  });
}

async function show(name, port) {
  console.log(`  ${name}: without FIN ${await ask(port, false)}, with FIN ${await ask(port, true)}`);
}

const server = createServer(async (_request, response) => {
  await later();
  response.end("answer");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
await show("node:http", server.address().port);
if (globalThis.Bun) {
  await show("Bun.serve", Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer }).port);
}
if (globalThis.Deno) {
  await show("Deno.serve", Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer).addr.port);
}
process.exit(0);
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>/dev/null; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node
  node:http: without FIN 200, with FIN ""
bun
  node:http: without FIN 200, with FIN ""
  Bun.serve: without FIN 200, with FIN ""
deno
  node:http: without FIN 200, with FIN ""
  Deno.serve: without FIN 200, with FIN ""'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
