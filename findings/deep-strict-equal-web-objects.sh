#!/usr/bin/env bash
# assert.deepStrictEqual holds different Headers equal on Node, and different DOMExceptions and AggregateErrors on Bun
#
# Version: node:assert/strict of Node 24.21.0, Bun 1.4.5 and Deno 2.9.5.
# Behaviour: of the pairs below, each of two objects with different contents, these pass: Headers and
#   URLSearchParams on Node alone; DOMException (other name, other message), AggregateError (other
#   `errors`), Blob and AbortSignal (other reason) on Bun alone; FormData, Response and MessageEvent on Node
#   and Bun; CloseEvent (other code) on all three. URL and plain errors are told apart everywhere.
# Guess: every pair is refused. Node's documentation compares own enumerable properties, but of errors the
#   name, the message, the cause and `errors` too; and URL is compared by its contents, so one expects its
#   neighbour URLSearchParams to be. Where it is not, a test of a header, of a close code or of the reason
#   of an abort holds nothing, and a test seen to fail on one runtime may not be able to fail on the next.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import assert from "node:assert/strict";

const form = (value) => {
  const data = new FormData();
  data.set("name", value);
  return data;
};
const pairs = {
  Error: [new Error("a"), new Error("b")],
  URL: [new URL("http://a/"), new URL("http://b/")],
  URLSearchParams: [new URLSearchParams("a=1"), new URLSearchParams("a=2")],
  Headers: [new Headers({ a: "1" }), new Headers({ a: "2" })],
  FormData: [form("1"), form("2")],
  Response: [new Response("a"), new Response("b", { status: 404 })],
  Blob: [new Blob(["a"]), new Blob(["bb"])],
  AbortSignal: [AbortSignal.abort(1), AbortSignal.abort(2)],
  DOMException: [new DOMException("a", "AbortError"), new DOMException("b", "TimeoutError")],
  AggregateError: [new AggregateError([new Error("a")], "m"), new AggregateError([new Error("b")], "m")],
  MessageEvent: [new MessageEvent("message", { data: 1 }), new MessageEvent("message", { data: 2 })],
  CloseEvent: [new CloseEvent("close", { code: 1000 }), new CloseEvent("close", { code: 1011 })],
};
const passed = Object.entries(pairs).filter(([_name, [one, other]]) => {
  try {
    assert.deepStrictEqual(one, other);
    return true;
  } catch {
    return false;
  }
}).map(([name]) => name);
console.log(passed.join(" "));
JS

run() { printf '%s: ' "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>/dev/null; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node: URLSearchParams Headers FormData Response MessageEvent CloseEvent
bun: FormData Response Blob AbortSignal DOMException AggregateError MessageEvent CloseEvent
deno: CloseEvent'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
