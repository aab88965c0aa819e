#!/usr/bin/env bash
# A program that awaits AbortSignal.timeout(): Deno waits for it, Node ends before, Bun does either
#
# Version: Node 24.21.0, Bun 1.4.5, Deno 2.9.5.
# Behaviour: a program awaits the `abort` event of AbortSignal.timeout(200) and has nothing else to do. Deno
#   runs on for 200 ms and goes on. Node ends at once: with exit code 13 when the module itself awaits, with
#   0 and in silence when a function does which the module does not await. Bun waits in the first case and
#   ends in silence in the second. setTimeout() of node:timers/promises holds the process on all three.
# Guess: all wait. DOM's timeout() runs its steps when the time has passed, nothing in Node's documentation
#   of it speaks of the process, and a running timer with a listener that waits for it holds a process
#   otherwise. A program that waits for "connected, or timed out" and whose socket is unref'd or gone
#   vanishes in between, its error handling not reached.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >await.mjs <<'JS'
const signal = AbortSignal.timeout(200);
await new Promise((resolve) => signal.addEventListener("abort", resolve));
console.log("aborted");
JS
cat >function.mjs <<'JS'
async function main() {
  const signal = AbortSignal.timeout(200);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  console.log("aborted");
}
main();
JS
cat >timer.mjs <<'JS'
import { setTimeout } from "node:timers/promises";
await setTimeout(200);
console.log("waited");
JS

run() {
  local name=$1 file text code
  for file in await function timer; do
    code=0
    text=$(timeout 60 node_modules/.bin/"$@" $file.mjs 2>/dev/null) || code=$?
    echo "$name $file: ${text:-nothing}, exit code $code"
  done
}
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node await: nothing, exit code 13
node function: nothing, exit code 0
node timer: waited, exit code 0
bun await: aborted, exit code 0
bun function: nothing, exit code 0
bun timer: waited, exit code 0
deno await: aborted, exit code 0
deno function: aborted, exit code 0
deno timer: waited, exit code 0'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
