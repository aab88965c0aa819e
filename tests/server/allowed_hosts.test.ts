/** The hosts that requests may name: DNS rebinding gives a page's own name the address of the server. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dialWebSocket, listenAndServe, type ServeOptions, Upgrader } from "../../mod.ts";
import { HeaderFields } from "../../src/http/header_fields.ts";
import { PIPE_ADDR, tcpAddr, unixAddr } from "../../src/net/addr.ts";
import { AllowedHosts, type AllowedHostsOption } from "../../src/server/allowed_hosts.ts";
import { holdProcess, limit } from "../net/support.ts";
import { handshake, RawPeer } from "../websocket/raw_peer.ts";
import { dial, startServer } from "../websocket/support.ts";

const LOOPBACK = tcpAddr("127.0.0.1", 80);

/** Whether a request with this `Host` is allowed; `null` is a request without one. */
function allows(hosts: AllowedHosts, host: string | null, target = "/"): boolean {
  const headers = new HeaderFields(host === null ? [] : [["host", host]]);
  return hosts.refusal({ method: "GET", target, minorVersion: 1, headers }) === null;
}

async function statusOf(address: string, request: string): Promise<string> {
  const peer = new RawPeer(await dial("tcp", address));
  await peer.send(request);
  const head = await peer.readHead();
  peer.conn.closeNow();
  return head.slice(9, 12);
}

const plain = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

describe("the hosts that a request may name", () => {
  it("are loopback names and addresses on a loopback listener", () => {
    for (const listening of [LOOPBACK, tcpAddr("127.8.9.1", 1), tcpAddr("::1", 80)]) {
      const hosts = new AllowedHosts(undefined, listening);
      const good = [
        "localhost",
        "LOCALHOST:80",
        "localhost.",
        "a.localhost:1",
        "127.0.0.1:8080",
        "127.1.2.3",
      ];
      for (const host of [...good, "[::1]", "[::1]:80", null]) assert.ok(allows(hosts, host), `${host}`);
      const bad = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost"];
      for (const host of [...bad, ".localhost", "10.0.0.1", "[::2]", "127.0.0.1.nip.io:80"]) {
        assert.ok(!allows(hosts, host), host);
      }
      assert.ok(!allows(hosts, null, "http://evil.example/"));
    }
  });

  it("are any elsewhere, and wherever the option says so", () => {
    for (
      const listening of [tcpAddr("0.0.0.0", 80), tcpAddr("192.0.2.1", 80), unixAddr("/x"), PIPE_ADDR, null]
    ) {
      assert.ok(allows(new AllowedHosts(undefined, listening), "evil.example"));
    }
    assert.ok(allows(new AllowedHosts("any", LOOPBACK), "evil.example"));
  });

  it("are those of the option alone", () => {
    const hosts = new AllowedHosts(["Chat.example", "*.sub.example", "[::2]"], tcpAddr("0.0.0.0", 80));
    for (const host of ["chat.example", "chat.example:99", "a.b.SUB.example", "[::2]:1"]) {
      assert.ok(allows(hosts, host), host);
    }
    for (const host of ["localhost", "sub.example", "xsub.example", "a.chat.example"]) {
      assert.ok(!allows(hosts, host), host);
    }
  });

  it("are checked as an option", () => {
    for (const option of ["all", [""], ["a b"], ["a:80"], ["a:"], [7], ["*"], {}, null]) {
      const options = { allowedHosts: option as AllowedHostsOption };
      assert.throws(() => new Upgrader(options), { name: "TypeError", message: /allowedHosts/ });
    }
  });
});

describe("a server on a loopback address", () => {
  holdProcess();

  it(
    "refuses a page whose name was pointed at it, for WebSockets and for plain requests",
    limit,
    async () => {
      let called = 0;
      const callbacks: Partial<ServeOptions> = {
        fetch: () => new Response(`${++called}`),
        upgrade: () => void called++,
      };
      const { address, stop } = await startServer(callbacks);
      const evil = "evil.example:80";
      assert.equal(await statusOf(address, plain(evil)), "403");
      assert.equal(await statusOf(address, handshake(evil, { Origin: `http://${evil}` })), "403");
      assert.equal(await statusOf(address, handshake(evil)), "403");
      assert.equal(called, 0);
      assert.equal(await statusOf(address, plain("localhost")), "200");
      assert.equal(await statusOf(address, handshake("localhost")), "101");
      await stop();
    },
  );

  it("says which option to change", limit, async () => {
    const { address, stop } = await startServer();
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(plain("app.example"));
    assert.match(await peer.readAll(), /403[^]*app\.example[^]*allowedHosts/);
    peer.conn.closeNow();
    await stop();
  });

  it("behind a proxy serves the names that are listed", limit, async () => {
    const { address, stop } = await startServer({ allowedHosts: ["app.example"] });
    assert.equal(await statusOf(address, handshake("app.example")), "101");
    assert.equal(await statusOf(address, handshake(address)), "403");
    await stop();
  });

  it("is reached by localhost over IPv6 too", limit, async (t) => {
    const websocket = () => Promise.resolve();
    const server = await listenAndServe("tcp", "[::1]:0", { websocket }).catch(() => null);
    if (server === null) return t.skip("the machine has no IPv6");
    assert.equal((await (await dialWebSocket(`ws://${server.addr}/`)).closed).code, 1000);
    await server.shutdown();
  });
});
