#!/usr/bin/env bash
# npm eventsource: an event without an id of its own has an empty lastEventId
#
# Version: eventsource 4.1.1 on Node 24.21.0; the global EventSource of Deno 2.9.5 beside it.
# Behaviour: of the events "id: 7, a", "b" and "c", the package gives b and c the lastEventId "". On
#   reconnecting it sends `Last-Event-ID: 7` all the same, so it does remember. Deno gives them "7".
# Guess: "7" for all three. HTML ("dispatch the event", server-sent events) sets an event's lastEventId to
#   the last id of the event source, which an event without the field `id` leaves as it is; only an empty
#   `id` clears it. A client that stores event.lastEventId as the place from which to go on stores "" with
#   the next event, and begins anew.
# Output seen: as `expected` below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 npm install --silent --no-audit --no-fund --no-save eventsource@4.1.1 node@24.21.0 deno@2.9.5 >install.log 2>&1 ||
  { cat install.log >&2; exit 2; }

cat >probe.mjs <<'JS'
import { createServer } from "node:http";
import process from "node:process";

const Source = globalThis.Deno ? EventSource : (await import("eventsource")).EventSource;
let connections = 0;
const server = createServer((request, response) => {
  connections++;
  if (connections === 2) {
    console.log(`  sends Last-Event-ID: ${request.headers["last-event-id"]}`);
    process.exit(0);
  }
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.end("retry: 100\n\nid: 7\ndata: a\n\ndata: b\n\nevent: message\ndata: c\n\n");
});
server.listen(0, "127.0.0.1", () => {
  const source = new Source(`http://127.0.0.1:${server.address().port}/`);
  source.onmessage = (event) => console.log(`  ${event.data}: lastEventId "${event.lastEventId}"`);
});
JS

run() { echo "$1"; timeout 60 node_modules/.bin/"$@" probe.mjs 2>/dev/null; }
actual=$(run node; run deno run --allow-all --quiet)
expected='node
  a: lastEventId "7"
  b: lastEventId ""
  c: lastEventId ""
  sends Last-Event-ID: 7
deno
  a: lastEventId "7"
  b: lastEventId "7"
  c: lastEventId "7"
  sends Last-Event-ID: 7'
echo "$actual"
[ "$actual" = "$expected" ] || { printf 'changed; seen before:\n%s\n' "$expected" >&2; exit 1; }
