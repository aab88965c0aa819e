#!/usr/bin/env bash
# Node's global WebSocket takes a leading U+FEFF off a text message
#
# Version: Node 24.21.0; Bun 1.4.5 and Deno 2.9.5 beside it.
# Behaviour: the text message EF BB BF 61 ("U+FEFF, a") is delivered as "a" on Node, and as two characters
#   on Bun and Deno. A message of U+FEFF alone becomes "", and of two of them one is left.
# Guess: "U+FEFF a" everywhere. RFC 6455 5.6 and 8.1 know UTF-8 and no signature; RFC 3629 section 6 says
#   that where a protocol allows UTF-8 alone, U+FEFF should not serve as a signature. The WebSocket standard
#   hands over the message as it came, and other clients do. So what one sends is not what the far end's
#   application compares, hashes or stores.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import process from "node:process";

const messages = ["\uFEFFa", "\uFEFF", "\uFEFF\uFEFFa", "a\uFEFF"];
const server = createServer((socket) => {
  let head = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    if (head.includes("\r\n\r\n")) return;
    head += chunk.toString("latin1");
    if (!head.includes("\r\n\r\n")) return;
    const key = /sec-websocket-key: *(\S+)/i.exec(head)[1];
    const accept = createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
    for (const message of messages) {
      const payload = Buffer.from(message);
      socket.write(Buffer.concat([Buffer.from([0x81, payload.length]), payload]));
    }
  });
});
server.listen(0, "127.0.0.1", () => {
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}/`);
  const seen = [];
  socket.onmessage = (event) => {
    seen.push([...event.data].map((c) => c.codePointAt(0).toString(16)).join(" ") || "empty");
    if (seen.length < messages.length) return;
    console.log(seen.join(", "));
    process.exit(0);
  };
});
JS

run() { printf '%s: ' "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>&1; }
actual=$(run node --no-warnings; run bun; run deno run --allow-all --quiet)
expected='node: 61, empty, feff 61, 61 feff
bun: feff 61, feff, feff feff 61, 61 feff
deno: feff 61, feff, feff feff 61, 61 feff'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
