#!/usr/bin/env bash
# A body that ends with the connection and is cut by a reset: fetch on Node and Bun takes it for whole
#
# Version: Node 24.21.0, Bun 1.4.5, Deno 2.9.5: fetch, and node:http beside it.
# Behaviour: an answer with neither Content-Length nor chunks, five bytes of it, then RST. On Node and Bun
#   `response.text()` resolves to the five bytes, as it does after an orderly FIN. On Deno it rejects.
#   node:http tells the two apart on all three: ECONNRESET after the reset, `end` after the FIN.
# Guess: it rejects everywhere. RFC 9112 section 8 takes such an answer for complete unless the connection
#   below indicated an error, and a reset is one; for Content-Length and chunks all three reject. A reader
#   that stores what it fetched stores the part of a file that came before its server crashed.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { get } from "node:http";
import { createServer } from "node:net";
import process from "node:process";

const fields = {
  close: "Connection: close\r\n\r\nhello",
  length: "Content-Length: 10\r\n\r\nhello",
  chunks: "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
};
// The path says how the body is framed and how the connection ends.
const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.once("data", (chunk) => {
    const [, framing, end] = /^GET \/(\w+)\/(\w+)/.exec(String(chunk));
    socket.write(`HTTP/1.1 200 OK\r\n${fields[framing]}`);
    setTimeout(() => end === "fin" ? socket.end() : socket.resetAndDestroy(), 300);
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const ways = {
  fetch: async (url) => {
    try {
      return `"${await (await fetch(url)).text()}"`;
    } catch {
      return "rejects";
    }
  },
  "node:http": (url) =>
    new Promise((resolve) => {
      get(url, { agent: false }, (response) => {
        response.resume();
        response.on("end", () => resolve("end"));
        response.on("error", (error) => resolve(error.code));
      }).on("error", (error) => resolve(error.code));
    }),
};
for (const [name, way] of Object.entries(ways)) {
  const seen = [];
  for (const path of ["close/fin", "close/reset", "length/reset", "chunks/reset"]) {
    seen.push(`${path} ${await way(`${origin}/${path}`)}`);
  }
  console.log(`  ${name}: ${seen.join(", ")}`);
}
process.exit(0);
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>&1; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node
  fetch: close/fin "hello", close/reset "hello", length/reset rejects, chunks/reset rejects
  node:http: close/fin end, close/reset ECONNRESET, length/reset ECONNRESET, chunks/reset ECONNRESET
bun
  fetch: close/fin "hello", close/reset "hello", length/reset rejects, chunks/reset rejects
  node:http: close/fin end, close/reset ECONNRESET, length/reset ECONNRESET, chunks/reset ECONNRESET
deno
  fetch: close/fin "hello", close/reset rejects, length/reset rejects, chunks/reset rejects
  node:http: close/fin end, close/reset ECONNRESET, length/reset ECONNRESET, chunks/reset ECONNRESET'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
