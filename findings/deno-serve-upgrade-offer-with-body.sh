#!/usr/bin/env bash
# Deno.serve answers 400 by itself to a request with a body that also offers an upgrade, such as curl --http2 -d sends
#
# Version: Deno 2.9.5 (Deno.serve); node:http of the same Deno beside it.
# Behaviour: POST with Content-Length or chunks, `Connection: Upgrade` and any `Upgrade` (h2c, TLS/1.2, foo)
#   gets 400 with an empty body. The handler is not called, onError is not called. The same offer on a GET
#   without a body reaches the handler, and so does the POST when either field is missing.
# Guess: the handler is called and the offer ignored. RFC 9110 section 7.8: a server may ignore Upgrade and
#   then answers by the protocol in use; a request with a body may offer one too, the client only has to
#   send all of it first. Clients that try for HTTP/2 over plain TCP, such as `curl --http2`, send the offer
#   with their first request: their GETs work and their POSTs do not.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { createServer } from "node:http";
import { connect } from "node:net";
import process from "node:process";

const offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
const requests = {
  "GET, offer": ["GET", offer, ""],
  "POST": ["POST", "Content-Length: 5\r\n", "hello"],
  "POST, offer": ["POST", "Content-Length: 5\r\n" + offer, "hello"],
  "POST, chunks, offer": ["POST", "Transfer-Encoding: chunked\r\n" + offer, "5\r\nhello\r\n0\r\n\r\n"],
  "POST, other offer": ["POST", "Content-Length: 5\r\nConnection: Upgrade\r\nUpgrade: foo\r\n", "hello"],
  "POST, Upgrade alone": ["POST", "Content-Length: 5\r\nUpgrade: h2c\r\n", "hello"],
};

function ask(port, [method, fields, body]) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const done = () => {
      socket.destroy();
      resolve(text.match(/(?<=HTTP\/1.1 )\d+/)?.[0]);
    };
    socket.on("connect", () => socket.write(`${method} / HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n${body}`));
    socket.on("data", (chunk) => {
      text += chunk;
      done();
    });
    socket.on("error", done);
    setTimeout(done, 2000);
  });
}

let calls = 0;
const server = Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen() {},
  onError: () => new Response("error", { status: 500 }),
}, async (request) => {
  calls++;
  return new Response(await request.text());
});
const other = createServer(async (request, response) => {
  calls++;
  for await (const _chunk of request);
  response.end();
});
await new Promise((resolve) => other.listen(0, "127.0.0.1", resolve));
for (const [name, port] of [["Deno.serve", server.addr.port], ["node:http", other.address().port]]) {
  for (const [kind, request] of Object.entries(requests)) {
    calls = 0;
    const status = await ask(port, request);
    console.log(`${name}: ${kind}: ${status}, handler called ${calls}`);
  }
}
process.exit(0);
JS

actual=$(timeout 60 node_modules/.bin/deno run --allow-all --quiet probe.mjs 2>/dev/null)
expected='Deno.serve: GET, offer: 200, handler called 1
Deno.serve: POST: 200, handler called 1
Deno.serve: POST, offer: 400, handler called 0
Deno.serve: POST, chunks, offer: 400, handler called 0
Deno.serve: POST, other offer: 400, handler called 0
Deno.serve: POST, Upgrade alone: 200, handler called 1
node:http: GET, offer: 200, handler called 1
node:http: POST: 200, handler called 1
node:http: POST, offer: 200, handler called 1
node:http: POST, chunks, offer: 200, handler called 1
node:http: POST, other offer: 200, handler called 1
node:http: POST, Upgrade alone: 200, handler called 1'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
