#!/usr/bin/env bash
# Deno's fetch sends a POST a second time when the server closes without an answer, on a new connection too
#
# Version: Deno 2.9.5; Node 24.21.0 and Bun 1.4.5 beside it.
# Behaviour: the server reads a whole POST and closes the connection (FIN or RST) without an answer. Deno
#   opens another connection and sends the POST again, unasked, and only then rejects. Whether the first
#   connection was new or had been used makes no difference to fetch; node:http on Deno repeats only what it
#   sent on a used one. A body that is a stream is sent once. Node and Bun send each once.
# Guess: once. RFC 9110 section 9.2.2: a client should not by itself repeat a request whose method is not
#   idempotent unless it knows that the first was not applied, and here it has been read to its end. A
#   server that crashes or is stopped behind a write has done it, and then does it again: an order is placed
#   twice.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { Agent, request } from "node:http";
import { createServer } from "node:net";
import process from "node:process";

// Answers GET /warm, and counts every other request that has come whole, and closes.
let requests = 0;
const server = createServer((socket) => {
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    text += chunk;
    if (/^GET \/warm/.test(text) && text.endsWith("\r\n\r\n")) {
      text = "";
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      return;
    }
    const whole = /transfer-encoding: chunked/i.test(text) ? text.endsWith("\r\n0\r\n\r\n") : text.endsWith("order");
    if (!whole) return;
    requests++;
    if (text.startsWith("POST /fin")) socket.end();
    else socket.resetAndDestroy();
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

async function post(path, body) {
  requests = 0;
  let outcome = "answered";
  try {
    await fetch(origin + path, { method: "POST", body: body(), duplex: "half", signal: AbortSignal.timeout(5000) });
  } catch (error) {
    outcome = error.name;
  }
  return `${requests}x ${outcome}`;
}

// By node:http, on a connection that had been used.
async function postByNode() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (method, path, body, headers) =>
    new Promise((resolve) => {
      request(origin + path, { method, headers, agent }, (response) => {
        response.resume();
        response.on("end", () => setTimeout(resolve, 50, "answered"));
      }).on("error", (error) => resolve(error.code)).end(body);
    });
  await send("GET", "/warm");
  requests = 0;
  const outcome = await send("POST", "/fin", "order", { "Content-Length": 5 });
  return `${requests}x ${outcome}`;
}

const string = () => "order";
const stream = () => new Blob(["order"]).stream();
const seen = [`new: ${await post("/fin", string)}`];
for (const path of ["/fin", "/reset"]) {
  await (await fetch(`${origin}/warm`)).text();
  seen.push(`used, ${path.slice(1)}: ${await post(path, string)}`);
}
seen.push(`stream: ${await post("/fin", stream)}`);
seen.push(`node:http, used: ${await postByNode()}`);
console.log(seen.join("; "));
process.exit(0);
JS

run() { printf '%s: ' "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>&1; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node: new: 1x TypeError; used, fin: 1x TypeError; used, reset: 1x TypeError; stream: 1x TypeError; node:http, used: 1x ECONNRESET
bun: new: 1x TypeError; used, fin: 1x TypeError; used, reset: 1x TypeError; stream: 1x TypeError; node:http, used: 1x ECONNRESET
deno: new: 2x TypeError; used, fin: 2x TypeError; used, reset: 2x TypeError; stream: 1x TypeError; node:http, used: 2x ECONNRESET'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
