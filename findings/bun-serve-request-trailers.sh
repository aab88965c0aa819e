#!/usr/bin/env bash
# Bun.serve answers a chunked request that ends with trailers with 200, and then with 400
#
# Version: Bun 1.4.5 (Bun.serve); node:http of the same Bun and Deno.serve of Deno 2.9.5 beside it.
# Behaviour: the body arrives whole and the handler's 200 is sent. The trailer section is then taken for the
#   next request: a second answer, 400, follows and the connection is closed. The next request on it, even
#   if it came in the same segment, is lost, and a client that keeps connections reads the 400 as its
#   answer.
# Guess: trailers are read and dropped. RFC 9112 section 7.1.2 makes them a part of the chunked coding which
#   a recipient may ignore or store, and node:http on Bun puts them into `request.trailers`. Uploads with a
#   checksum behind the body send them.
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

const handler = async (request) => new Response(`got ${request.method} <${await request.text()}>`);

function ask(port, text) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    const done = () => {
      socket.destroy();
      resolve(answer.match(/(?<=HTTP\/1.1 )\d+|got \w+ <\w*>/g)?.join(", "));
    };
    socket.on("connect", () => socket.write(text));
    socket.on("data", (chunk) => answer += chunk);
    socket.on("end", done);
    socket.on("error", done);
    setTimeout(done, 1000);
  });
}

const post = (trailers) =>
  "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n" +
  `5\r\nhello\r\n0\r\n${trailers}\r\n`;
const get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

async function show(name, port) {
  console.log(`  ${name} without: ${await ask(port, post("") + get)}`);
  console.log(`  ${name} with: ${await ask(port, post("Digest: none\r\n") + get)}`);
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  response.end(`got ${request.method} <${body}>`);
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
  Bun.serve without: 200, got POST <hello>, 200, got GET <>
  Bun.serve with: 200, got POST <hello>, 400
  node:http without: 200, got POST <hello>, 200, got GET <>
  node:http with: 200, got POST <hello>, 200, got GET <>
deno
  Deno.serve without: 200, got POST <hello>, 200, got GET <>
  Deno.serve with: 200, got POST <hello>, 200, got GET <>'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
