/** Zones of link-local addresses that a runtime leaves out. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withZoneOf, withZones } from "../../adapters/zones.ts";
import { tcpAddr, unixAddr } from "../../src/net/addr.ts";

const end = (hostname: string, port = 1) => tcpAddr(hostname, port);

/** Both ends of a connection, with zones as far as they are found. */
function zoned(local: string, remote: string, known: string | null): string[] {
  const ends = { localAddr: end(local), remoteAddr: end(remote, 2) };
  const { localAddr, remoteAddr } = withZones(ends, known === null ? null : end(known));
  return [localAddr, remoteAddr].map(String);
}

describe("the zone of a link-local address", () => {
  it("is that of the address that was dialled or is listened on", () => {
    assert.deepEqual(zoned("fe80::1", "fe80::2", "fe80::2%d0"), ["[fe80::1%d0]:1", "[fe80::2%d0]:2"]);
    assert.deepEqual(zoned("fe80::1%d0", "fe80::2", null), ["[fe80::1%d0]:1", "[fe80::2%d0]:2"]);
    assert.equal(String(withZoneOf(end("fe80::1"), end("fe80::1%d0"))), "[fe80::1%d0]:1");
  });

  it("stays as it is, where there is one, or it is unknown", () => {
    assert.deepEqual(zoned("fe80::1%a", "fe80::2%b", "fe80::2%c"), ["[fe80::1%a]:1", "[fe80::2%b]:2"]);
    assert.deepEqual(zoned("fe80::7:7:7:7", "fe80::2", "::"), ["[fe80::7:7:7:7]:1", "[fe80::2]:2"]);
  });

  it("is given to no other address", () => {
    assert.deepEqual(zoned("::1", "2001:db8::1", "fe80::1%d0"), ["[::1]:1", "[2001:db8::1]:2"]);
    assert.deepEqual(zoned("127.0.0.1", "127.0.0.1", null), ["127.0.0.1:1", "127.0.0.1:2"]);
    assert.equal(String(withZoneOf(unixAddr("/fe80::1"), unixAddr("/fe80::1"))), "/fe80::1");
  });
});
