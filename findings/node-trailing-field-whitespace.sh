#!/usr/bin/env bash
# A space or tab behind a field's value: Node's WebSocket refuses the 101, its fetch keeps it or fails
#
# Version: Node 24.21.0 (global WebSocket and fetch); Bun 1.4.5 and Deno 2.9.5 beside it.
# Behaviour: a 101 with one trailing space behind any of the values of Upgrade, Connection,
#   Sec-WebSocket-Accept or Sec-WebSocket-Protocol ends in `error` and 1006 on Node. Whitespace in front is
#   fine. fetch() hands the trailing space over as part of `headers.get(...)`, although Headers of its own
#   making strip it, and `Content-Length: 2<TAB>` fails the body.
# Guess: no difference at all. RFC 9112 section 5 allows optional whitespace on both sides of a value, and
#   RFC 9110 section 5.5 says that it is no part of it and has to be left out before the value is used. The
#   Fetch standard normalises values in the same way. Bun and Deno take all of it.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import process from "node:process";

// The path names the field that is padded, and how: /field/front or /field/behind.
const server = createServer((socket) => {
  let head = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    head += chunk.toString("latin1");
    if (!head.includes("\r\n\r\n")) return;
    const [, padded, side] = /^GET \/([\w-]+)\/(\w+)/.exec(head);
    const key = /sec-websocket-key: *(\S+)/i.exec(head)?.[1];
    head = "";
    const field = (name, value, pad = " ") =>
      `${name}:${name === padded && side === "front" ? pad : ""}${value}${name === padded && side === "behind" ? pad : ""}\r\n`;
    if (key === undefined) {
      socket.end("HTTP/1.1 200 OK\r\n" + field("X-Name", "value") + field("Content-Length", "2", "\t") + "\r\nok");
      return;
    }
    const accept = createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
    socket.write("HTTP/1.1 101 Switching Protocols\r\n" + field("Upgrade", "websocket") + field("Connection", "Upgrade") +
      field("Sec-WebSocket-Accept", accept) + field("Sec-WebSocket-Protocol", "chat") + "\r\n");
  });
});

const open = (url) =>
  new Promise((resolve) => {
    const socket = new WebSocket(url, ["chat"]);
    socket.onopen = () => resolve("opens");
    socket.onclose = (event) => resolve(`close ${event.code}`);
  });

server.listen(0, "127.0.0.1", async () => {
  const origin = `127.0.0.1:${server.address().port}`;
  for (const side of ["front", "behind"]) {
    const results = new Set();
    for (const field of ["Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol"]) {
      results.add(await open(`ws://${origin}/${field}/${side}`));
    }
    const header = (await fetch(`http://${origin}/X-Name/${side}`)).headers.get("x-name");
    const body = await fetch(`http://${origin}/Content-Length/${side}`).then((response) => response.text())
      .catch((error) => error.name);
    console.log(`  ${side}: WebSocket ${[...results].join("/")}; fetch header "${header}", body ${body}`);
  }
  process.exit(0);
});
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>&1; }
actual=$(run node --no-warnings; run bun; run deno run --allow-all --quiet)
expected='node
  front: WebSocket opens; fetch header "value", body ok
  behind: WebSocket close 1006; fetch header "value ", body TypeError
bun
  front: WebSocket opens; fetch header "value", body ok
  behind: WebSocket opens; fetch header "value", body ok
deno
  front: WebSocket opens; fetch header "value", body ok
  behind: WebSocket opens; fetch header "value", body ok'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
