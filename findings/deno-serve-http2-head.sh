#!/usr/bin/env bash
# Deno.serve over HTTP/2 sends the body of an answer to HEAD, and the client takes that for a protocol error
#
# Version: Deno.serve of Deno 2.9.5, over plain HTTP/2; client: node:http2 of Node 24.21.0.
# Behaviour: the handler returns one and the same Response for GET and HEAD. Over HTTP/1.1 the answer to
#   HEAD has the fields and no body. Over HTTP/2 its HEADERS are followed by DATA with the whole body, for a
#   string and for a stream: node:http2 fails the stream with ERR_HTTP2_ERROR, and curl -I says
#   PROTOCOL_ERROR (92). With a body of null all is well.
# Guess: no body either way. RFC 9110 section 9.3.2: a server must not send content in answer to HEAD, and a
#   handler is not expected to look whether the method is HEAD, since the server takes the body off for
#   HTTP/1.1. So `curl -I`, health checks and link checkers work until the connection is HTTP/2, which with
#   TLS is what most clients negotiate.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >server.mjs <<'JS'
const bodies = {
  "/null": () => null,
  "/string": () => "answer",
  "/stream": () => new Blob(["answer"]).stream(),
};
Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: ({ port }) => {
    Deno.writeTextFileSync("port.new", String(port));
    Deno.renameSync("port.new", "port");
  },
}, (request) => new Response(bodies[new URL(request.url).pathname]()));
setTimeout(() => Deno.exit(), 50_000);
JS

cat >client.mjs <<'JS'
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:http2";
import process from "node:process";

while (!existsSync("port")) await new Promise((resolve) => setTimeout(resolve, 20));
const port = Number(readFileSync("port", "utf8"));

function overHttp1(method, path) {
  return new Promise((resolve) => {
    request({ port, host: "127.0.0.1", method, path }, (response) => {
      let bytes = 0;
      response.on("data", (chunk) => bytes += chunk.length);
      response.on("end", () => resolve(`${response.statusCode}, ${bytes} bytes`));
    }).on("error", (error) => resolve(error.code)).end();
  });
}

function overHttp2(method, path) {
  return new Promise((resolve) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on("error", () => {});
    const stream = session.request({ ":method": method, ":path": path });
    let status = "no status";
    let bytes = 0;
    let code = "";
    stream.on("response", (fields) => status = fields[":status"]);
    stream.on("data", (chunk) => bytes += chunk.length);
    stream.on("error", (error) => code = error.code);
    stream.on("close", () => {
      session.destroy();
      resolve(code || `${status}, ${bytes} bytes`);
    });
  });
}

for (const path of ["/null", "/string", "/stream"]) {
  for (const method of ["GET", "HEAD"]) {
    const http1 = await overHttp1(method, path);
    console.log(`${method} ${path}: HTTP/1.1 ${http1}; HTTP/2 ${await overHttp2(method, path)}`);
  }
}
process.exit(0);
JS

timeout 60 node_modules/.bin/deno run --allow-all --quiet server.mjs >server.log 2>&1 &
server=$!
actual=$(timeout 40 node_modules/.bin/node client.mjs 2>&1)
expected='GET /null: HTTP/1.1 200, 0 bytes; HTTP/2 200, 0 bytes
HEAD /null: HTTP/1.1 200, 0 bytes; HTTP/2 200, 0 bytes
GET /string: HTTP/1.1 200, 6 bytes; HTTP/2 200, 6 bytes
HEAD /string: HTTP/1.1 200, 0 bytes; HTTP/2 ERR_HTTP2_ERROR
GET /stream: HTTP/1.1 200, 6 bytes; HTTP/2 200, 6 bytes
HEAD /stream: HTTP/1.1 200, 0 bytes; HTTP/2 ERR_HTTP2_ERROR'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
