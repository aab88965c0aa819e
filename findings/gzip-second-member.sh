#!/usr/bin/env bash
# A gzip file of two members: Deno's fetch and Bun.gunzipSync give the first one and no error
#
# Version: Node 24.21.0, Bun 1.4.5, Deno 2.9.5.
# Behaviour: of two members ("one ", "two") Deno's fetch gives "one " for a body with Content-Encoding:
#   gzip, and Bun.gunzipSync gives "one "; neither fails, although the input was not used up. node:zlib
#   gives both on all three, fetch on Node and Bun too. DecompressionStream gives both on Bun and is a
#   TypeError on Node and Deno.
# Guess: both members wherever it is not an error. RFC 1952 section 2.2: a gzip file is a series of members
#   that simply follow one another, and RFC 9110 section 8.4.1.3 names that format for the coding. (The
#   Compression standard alone wants an error for what follows the first.) Logs that were appended to and
#   the output of parallel or block-wise compressors have many members, so what is lost is all but the first
#   block.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { Buffer } from "node:buffer";
import { createServer } from "node:net";
import process from "node:process";
import { gunzipSync, gzipSync } from "node:zlib";

const two = Buffer.concat([gzipSync("one "), gzipSync("two")]);
const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.once("data", () => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${two.length}\r\n\r\n`);
    socket.end(two);
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const ways = {
  "node:zlib": () => gunzipSync(two).toString(),
  fetch: async () => (await fetch(`http://127.0.0.1:${server.address().port}/`)).text(),
  DecompressionStream: () =>
    new Response(new Blob([two]).stream().pipeThrough(new DecompressionStream("gzip"))).text(),
  ...(globalThis.Bun ? { "Bun.gunzipSync": () => Buffer.from(Bun.gunzipSync(two)).toString() } : {}),
};
const seen = [];
for (const [name, run] of Object.entries(ways)) {
  try {
    seen.push(`${name} "${await run()}"`);
  } catch (error) {
    seen.push(`${name} ${error.name}`);
  }
}
console.log(seen.join(", "));
process.exit(0);
JS

run() { printf '%s: ' "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>/dev/null; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node: node:zlib "one two", fetch "one two", DecompressionStream TypeError
bun: node:zlib "one two", fetch "one two", DecompressionStream "one two", Bun.gunzipSync "one "
deno: node:zlib "one two", fetch "one ", DecompressionStream TypeError'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
