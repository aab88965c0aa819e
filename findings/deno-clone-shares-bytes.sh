#!/usr/bin/env bash
# Deno: a Response made of bytes and its clone() give out one and the same ArrayBuffer
#
# Version: Deno 2.9.5; Node 24.21.0 and Bun 1.4.5 beside it.
# Behaviour: after `other = response.clone()`, what is written into `await response.arrayBuffer()` is read
#   by `await other.arrayBuffer()`, because the two are identical; transferring the one to a worker leaves
#   the other with 0 bytes. Response and Request with a Uint8Array or an ArrayBuffer as body do so; strings,
#   Blobs, streams and what fetch() answers do not. The constructor itself does copy the array.
# Guess: two buffers. The Fetch standard clones a body by teeing its byte stream, whose second branch gets
#   copies so that two readers do not share memory, and arrayBuffer() makes a buffer of its own each time. A
#   cache that keeps the clone of what it hands out keeps what the receiver made of it.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
const bytes = () => new Uint8Array(4).fill(1);
const bodies = {
  "Response of an array": () => new Response(bytes()),
  "Request with an array": () => new Request("http://localhost/", { method: "POST", body: bytes() }),
  "Response of a Blob": () => new Response(new Blob([bytes()])),
};
for (const [name, make] of Object.entries(bodies)) {
  let first = make();
  let second = first.clone();
  let one = await first.arrayBuffer();
  new Uint8Array(one).fill(9);
  const other = await second.arrayBuffer();
  const written = new Uint8Array(other)[0];

  first = make();
  second = first.clone();
  one = await first.arrayBuffer();
  structuredClone(one, { transfer: [one] });
  const left = (await second.arrayBuffer()).byteLength;
  console.log(`  ${name}: the clone reads ${written}, and ${left} bytes after a transfer`);
}
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>&1; }
lines() {
  echo "$1"
  echo "  Response of an array: the clone reads $2, and $3 bytes after a transfer"
  echo "  Request with an array: the clone reads $2, and $3 bytes after a transfer"
  echo "  Response of a Blob: the clone reads 1, and 4 bytes after a transfer"
}
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected=$(lines node 1 4; lines bun 1 4; lines deno 9 0)
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
