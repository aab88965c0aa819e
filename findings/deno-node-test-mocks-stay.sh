#!/usr/bin/env bash
# Deno: what a test mocked with t.mock, timers too, stays mocked after the test
#
# Version: node:test of Deno 2.9.5; Node 24.21.0 and Bun 1.4.5 beside it.
# Behaviour: a test replaces a method with t.mock.method, enables t.mock.timers for setTimeout and Date, and
#   ends. In the next test on Deno, setTimeout is still the mock, so that a wait never ends, Date.now()
#   still says 1000, the method is still the mock, and enabling timers again fails with ERR_INVALID_STATE.
#   Node and Bun put all of it back.
# Guess: all is put back. That mocks made by way of the test's context end with the test is what Node's
#   documentation ("Mocking") gives as the reason to prefer them to the global `mock`. On Deno the test that
#   fails is another than the one at fault, and passes when it runs alone.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.test.mjs <<'JS'
import { test } from "node:test";

const original = setTimeout;
const target = { method: () => "original" };

test("first", (t) => {
  t.mock.method(target, "method", () => "mock");
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1000 });
});

test("second", (t) => {
  const timer = setTimeout === original ? "original" : "mock";
  const date = Date.now() > 1e12 ? "now" : Date.now();
  let again = "works";
  try {
    t.mock.timers.enable({ apis: ["setTimeout"] });
  } catch (error) {
    again = error.code;
  }
  console.log(`SEEN method ${target.method()}, setTimeout ${timer}, Date.now() ${date}, enable ${again}`);
});
JS

run() {
  printf '%s: ' "$1"
  timeout 60 node_modules/.bin/"$@" probe.test.mjs 2>&1 | grep -o 'SEEN .*' | sed 's/^SEEN //' || echo "nothing"
}
actual=$(run node --test --test-reporter=spec; run bun test; run deno test --allow-all)
expected='node: method original, setTimeout original, Date.now() now, enable works
bun: method original, setTimeout original, Date.now() now, enable works
deno: method mock, setTimeout mock, Date.now() 1000, enable ERR_INVALID_STATE'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
