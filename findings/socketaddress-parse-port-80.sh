#!/usr/bin/env bash
# net.SocketAddress.parse("192.0.2.1:80") has port 0
#
# Version: node:net of Node 24.21.0, Bun 1.4.5 and Deno 2.9.5.
# Behaviour: port 80 alone is lost, for IPv4 and IPv6, on all three runtimes; 79, 81, 443 and 8080 are kept.
#   A port of 0 and no port at all cannot be told from it.
# Guess: 80. The documentation speaks of an IP address with an optional port, and no port has a meaning of
#   its own in a socket address (RFC 3986 section 3.2.3 leaves default ports to the scheme, and no scheme is
#   here). The text is read with the parser of http URLs, which takes off the default port of http. An
#   allow-list or a peer list of "address:port" works until an entry is on port 80.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save node@24.21.0 bun@1.4.5 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { SocketAddress } from "node:net";
const port = (text) => SocketAddress.parse(text).port;
console.log([79, 80, 81, 443, 8080].map((n) => `${n}:${port(`192.0.2.1:${n}`)}/${port(`[2001:db8::1]:${n}`)}`).join(" "));
JS

run() { printf '%s: ' "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>/dev/null; }
actual=$(run node; run bun; run deno run --allow-all --quiet)
expected='node: 79:79/79 80:0/0 81:81/81 443:443/443 8080:8080/8080
bun: 79:79/79 80:0/0 81:81/81 443:443/443 8080:8080/8080
deno: 79:79/79 80:0/0 81:81/81 443:443/443 8080:8080/8080'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
