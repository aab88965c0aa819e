#!/usr/bin/env bash
# Deno: a structured clone that fails has already emptied the buffers of its transfer list
#
# Version: Deno 2.9.5; Node 24.21.0 and Bun 1.4.5 beside it.
# Behaviour: structuredClone, MessagePort.postMessage and a worker's postMessage throw DataCloneError (or
#   what a getter threw), and the ArrayBuffer named for transfer has length 0 afterwards; nothing was sent.
#   A MessagePort in the list does survive.
# Guess: the buffer is untouched. HTML's StructuredSerializeWithTransfer serialises first and detaches only
#   when that succeeded, so that a caller who catches the error still has the data and can send it
#   otherwise. On Deno the way back ("cannot be cloned, so send it as JSON") finds an empty buffer.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import process from "node:process";
import { Worker } from "node:worker_threads";

const worker = new Worker("setTimeout(() => {}, 5000)", { eval: true });
const { port1 } = new MessageChannel();
const ways = {
  structuredClone: (value, transfer) => structuredClone(value, { transfer }),
  MessagePort: (value, transfer) => port1.postMessage(value, transfer),
  Worker: (value, transfer) => worker.postMessage(value, transfer),
};
const values = {
  "a function": (buffer) => ({ buffer, callback() {} }),
  "a getter that throws": (buffer) => ({ buffer, get field() { throw new RangeError("no"); } }),
};
for (const [way, clone] of Object.entries(ways)) {
  const seen = [];
  for (const [name, make] of Object.entries(values)) {
    const buffer = new ArrayBuffer(4);
    let thrown = "nothing";
    try {
      clone(make(buffer), [buffer]);
    } catch (error) {
      thrown = error.name;
    }
    seen.push(`${name}: ${thrown}, ${buffer.byteLength} bytes left`);
  }
  console.log(`  ${way}: ${seen.join("; ")}`);
}
process.exit(0);
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>&1; }
actual=$(run node --no-warnings; run bun; run deno run --allow-all --quiet)
lines() {
  for way in structuredClone MessagePort Worker; do
    echo "  $way: a function: DataCloneError, $1 bytes left; a getter that throws: RangeError, $1 bytes left"
  done
}
expected=$(echo node; lines 4; echo bun; lines 4; echo deno; lines 0)
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
