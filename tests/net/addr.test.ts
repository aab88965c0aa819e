import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { joinHostPort, PIPE_ADDR, splitHostPort, tcpAddr, unixAddr } from "../../src/net/addr.ts";
import { limit } from "./support.ts";

const wellFormed: [address: string, hostname: string, port: number][] = [
  ["localhost:80", "localhost", 80],
  ["127.0.0.1:8080", "127.0.0.1", 8080],
  [":80", "", 80],
  [":0", "", 0],
  ["[::1]:80", "::1", 80],
  ["[::]:65535", "::", 65535],
  ["[]:80", "", 80],
  ["[fe80::1%eth0]:80", "fe80::1%eth0", 80],
  ["[::ffff:127.0.0.1]:443", "::ffff:127.0.0.1", 443],
  ["[localhost]:80", "localhost", 80],
  ["a-b.example.org:00080", "a-b.example.org", 80],
  ["localhost:http", "localhost", 80],
  [":HTTPS", "", 443],
  ["[::1]:ssh", "::1", 22],
  ["192.0.2.1:domain", "192.0.2.1", 53],
];

const malformed: string[] = [
  "",
  ":",
  "host",
  "host:",
  "::1",
  "::1:80",
  "fe80::1%eth0:80",
  "[::1]",
  "[::1]:",
  "[::1",
  "[::1:80",
  "::1]:80",
  "[::1]80",
  "[::1]x:80",
  "x[::1]:80",
  "[[::1]]:80",
  "[a[b]:80",
  "a]b:80",
  "[:80",
  "]:80",
  "host:65536",
  "host:99999",
  "host:000080",
  "host:-1",
  "host:+80",
  "host: 80",
  "host:80 ",
  "host:8x",
  "host:0x50",
  "host:1e3",
  "host:80.5",
  "host:no-such-service",
  "host:constructor",
  "host:٨٠",
];

describe("splitHostPort", () => {
  for (const [address, hostname, port] of wellFormed) {
    it(`takes "${address}" apart`, limit, () => {
      assert.deepEqual(splitHostPort(address), { hostname, port });
    });
  }

  for (const address of malformed) {
    it(`refuses "${address}"`, limit, () => {
      assert.throws(() => splitHostPort(address), (error: unknown) => {
        assert.ok(error instanceof TypeError);
        assert.ok(error.message.startsWith(`Cannot parse address "${address}": `), error.message);
        return true;
      });
    });
  }

  it("refuses what is no text", limit, () => {
    for (const wrong of [undefined, null, 80, {}]) {
      assert.throws(() => splitHostPort(wrong as unknown as string), TypeError);
    }
  });
});

describe("joinHostPort", () => {
  it("puts brackets around a host with colons", limit, () => {
    assert.equal(joinHostPort("localhost", 80), "localhost:80");
    assert.equal(joinHostPort("", 80), ":80");
    assert.equal(joinHostPort("::1", 80), "[::1]:80");
    assert.equal(joinHostPort("fe80::1%eth0", 80), "[fe80::1%eth0]:80");
  });

  it("is undone by splitHostPort", limit, () => {
    for (const [, hostname, port] of wellFormed) {
      assert.deepEqual(splitHostPort(joinHostPort(hostname, port)), { hostname, port });
    }
  });
});

describe("addresses", () => {
  it("are written as splitHostPort reads them", limit, () => {
    assert.equal(String(tcpAddr("127.0.0.1", 80)), "127.0.0.1:80");
    assert.equal(String(tcpAddr("::1", 80)), "[::1]:80");
    assert.equal(String(unixAddr("/run/x.sock")), "/run/x.sock");
    assert.equal(String(PIPE_ADDR), "pipe");
  });

  it("show IPv4 that came mapped into IPv6 as IPv4", limit, () => {
    assert.equal(tcpAddr("::ffff:10.0.0.1", 80).hostname, "10.0.0.1");
    assert.equal(tcpAddr("::FFFF:10.0.0.1", 80).hostname, "10.0.0.1");
    assert.equal(tcpAddr("::ffff:7f00:1", 80).hostname, "::ffff:7f00:1");
    assert.equal(tcpAddr("::1", 80).hostname, "::1");
  });
});
