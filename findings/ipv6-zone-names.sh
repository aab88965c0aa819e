#!/usr/bin/env bash
# An IPv6 zone by name (fe80::1%eth0): Bun connects to it and cannot bind it, Deno does neither and says EPERM
#
# Version: Node 24.21.0, Bun 1.4.5, Deno 2.9.5, on Linux. "::1%lo" stands for a link-local address with its
#   interface; "::1%1" is the same zone by index.
# Behaviour: node:net and node:dgram on Node take both forms, to connect, send, listen and bind. On Bun the
#   name works towards others and fails for sockets of one's own, also of Bun.listen. On Deno node:net says
#   EPERM and node:dgram UNKNOWN, and Deno.connect and Deno.listen look the name up in DNS. The index works
#   everywhere.
# Guess: both forms everywhere. RFC 4007 section 11.2 wants the index and allows names, getaddrinfo() takes
#   both, and EPERM would be the sandbox's or the kernel's answer. A link-local address cannot be used
#   without its zone, and it is the name that tools print and people type.
# Output seen: as `expected` below.
set -euo pipefail
[ "$(uname -s)" = Linux ] || { echo "needs Linux, for an interface named lo with index 1" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import process from "node:process";

const server = createServer((socket) => socket.on("error", () => {}));
server.listen(0, "::1");
await once(server, "listening");
const port = server.address().port;

const ways = {
  "net connect": (host) => once(connect(port, host), "connect"),
  "net listen": (host) => once(createServer().listen(0, host), "listening"),
  "dgram send": (host) =>
    new Promise((resolve, reject) =>
      createSocket("udp6").send("x", 9, host, (error) => error ? reject(error) : resolve())
    ),
  "dgram bind": (host) => {
    const socket = createSocket("udp6");
    socket.bind(0, host);
    return once(socket, "listening");
  },
  ...(globalThis.Bun
    ? {
      "Bun.connect": (hostname) => Bun.connect({ hostname, port, socket: { data() {} } }),
      "Bun.listen": (hostname) => Bun.listen({ hostname, port: 0, socket: { data() {} } }),
    }
    : {}),
  ...(globalThis.Deno
    ? {
      "Deno.connect": (hostname) => Deno.connect({ hostname, port }),
      "Deno.listen": (hostname) => Deno.listen({ hostname, port: 0 }),
    }
    : {}),
};
for (const [name, use] of Object.entries(ways)) {
  const seen = [];
  for (const host of ["::1%lo", "::1%1"]) {
    try {
      await use(host);
      seen.push("works");
    } catch (error) {
      seen.push(error.code ?? "fails");
    }
  }
  console.log(`  ${name}: name ${seen[0]}, index ${seen[1]}`);
}
process.exit(0);
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>/dev/null; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node
  net connect: name works, index works
  net listen: name works, index works
  dgram send: name works, index works
  dgram bind: name works, index works
bun
  net connect: name works, index works
  net listen: name fails, index works
  dgram send: name works, index works
  dgram bind: name ENOENT, index works
  Bun.connect: name works, index works
  Bun.listen: name fails, index works
deno
  net connect: name EPERM, index works
  net listen: name EPERM, index works
  dgram send: name UNKNOWN, index works
  dgram bind: name UNKNOWN, index works
  Deno.connect: name fails, index works
  Deno.listen: name fails, index works'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
