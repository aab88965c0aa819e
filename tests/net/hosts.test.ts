/** Lost packets, an unplugged cable and silent addresses, between two hosts: processes of this runtime in namespaces. */

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { ipFamily } from "../../src/net/ip.ts";
import { joinHostPort, splitHostPort } from "../../mod.ts";
import { BLACK_HOLES, hostsPermitted, lossPermitted, SHUT_OFF, Wire } from "./network_namespace.ts";

const limit = { timeout: 60_000 };
const wires = new Set<Wire>();

// A test that times out does not clean up, so that the file does it at its end.
after(() => {
  for (const wire of wires) wire.remove();
});

const noHosts = hostsPermitted ? false : "ip is missing or may not make network namespaces";
const noLoss = lossPermitted ? false : "tc is missing or may not make packets get lost";

function test(title: string, body: (wire: Wire) => Promise<void>, skip: string | false = noHosts): void {
  it(title, { ...limit, skip }, async () => {
    const wire = new Wire();
    wires.add(wire);
    try {
      wire.lay();
      await body(wire);
    } finally {
      wire.remove();
      wires.delete(wire);
    }
  });
}

/** Starts a server on the far host; gives its address. */
async function startServer(wire: Wire, command: string, host: string = wire.far.ipv4): Promise<string> {
  return (await wire.start(wire.far, command, joinHostPort(host, 0)).nextLine())!;
}

describe("a dial", () => {
  for (const [family, host] of Object.entries(BLACK_HOLES)) {
    const address = joinHostPort(host, 80);

    test(`to an ${family} black hole ends at its time-out, and lets the process end`, async (wire) => {
      assert.deepEqual(await wire.start(wire.near, "dial", address, "200").outcome(), ["ETIMEDOUT true"]);
    });

    test(`to an ${family} black hole lets the process end when it is given up`, async (wire) => {
      assert.deepEqual(await wire.start(wire.near, "giveUp", address).outcome(), ["gave up"]);
    });
  }

  test("to a host that was unplugged ends at its time-out", async (wire) => {
    const address = await startServer(wire, "echo");
    assert.deepEqual(await wire.start(wire.near, "dial", address).outcome(), [address]);
    wire.pull();
    assert.deepEqual(await wire.start(wire.near, "dial", address, "200").outcome(), ["ETIMEDOUT true"]);
  });

  // The resolver says which family is tried first: with both names it is the dead one once.
  for (const dead of ["ipv4", "ipv6"] as const) {
    test(`goes by the other family when ${dead} is a black hole, and lets the process end`, async (wire) => {
      const live = dead === "ipv4" ? wire.far.ipv6 : wire.far.ipv4;
      const { port } = splitHostPort(await startServer(wire, "echo", live));
      wire.nameAddresses({ "server.example": [BLACK_HOLES[dead], live] });
      const dialling = wire.start(wire.near, "dial", joinHostPort("server.example", port), "20000");
      assert.deepEqual(await dialling.outcome(), [joinHostPort(live, port)]);
    });
  }

  for (const host of ["10.99.0.1", "2001:db8:99::1"]) {
    test(`to where there is no route is ENETUNREACH, by IPv${ipFamily(host)}`, async (wire) => {
      const dialling = wire.start(wire.near, "dial", joinHostPort(host, 80));
      assert.deepEqual(await dialling.outcome(), ["ENETUNREACH false"]);
    });
  }

  test("to where the route is shut is EHOSTUNREACH", async (wire) => {
    const dialling = wire.start(wire.near, "dial", joinHostPort(SHUT_OFF, 80));
    assert.deepEqual(await dialling.outcome(), ["EHOSTUNREACH false"]);
  });
});

describe("a transfer", () => {
  test("is whole though packets get lost", async (wire) => {
    const address = await startServer(wire, "echo");
    wire.makeLossy();
    assert.deepEqual(await wire.start(wire.near, "transfer", address, "3000000").outcome(), ["whole"]);
    assert.ok(wire.lost() > 0);
  }, noHosts || noLoss);

  test("outlives a pulled plug and a deadline that passes meanwhile", async (wire) => {
    const address = await startServer(wire, "echo");
    const transfer = wire.start(wire.near, "transferInterrupted", address, "8000000");
    assert.equal(await transfer.nextLine(), "half");
    wire.pull();
    transfer.goOn();
    assert.equal(await transfer.nextLine(), "expired");
    wire.plugIn();
    transfer.goOn();
    assert.deepEqual(await transfer.outcome(), ["whole"]);
  });
});

/** The system counts seconds, and has its own idea of how often to ask. */
function askOften(wire: Wire): void {
  wire.setParameter("net/ipv4/tcp_keepalive_time", 1);
  wire.setParameter("net/ipv4/tcp_keepalive_intvl", 1);
  wire.setParameter("net/ipv4/tcp_keepalive_probes", 2);
}

describe("keep-alive", () => {
  test("of TCP finds a dead peer, at the dialling end", async (wire) => {
    askOften(wire);
    const waiting = wire.start(wire.near, "waitDialled", await startServer(wire, "echo"));
    assert.equal(await waiting.nextLine(), "connected");
    wire.pull();
    assert.deepEqual(await waiting.outcome(), ["ETIMEDOUT true"]);
  });

  test("of TCP finds a dead peer, at the accepting end", async (wire) => {
    askOften(wire);
    const waiting = wire.start(wire.near, "waitAccepted", joinHostPort(wire.near.ipv4, 0));
    wire.start(wire.far, "waitDialled", (await waiting.nextLine())!);
    assert.equal(await waiting.nextLine(), "connected");
    wire.pull();
    assert.deepEqual(await waiting.outcome(), ["ETIMEDOUT true"]);
  });

  const died = JSON.stringify({ code: 1006, reason: "", wasClean: false });

  test("of a WebSocket finds a dead server", async (wire) => {
    const client = wire.start(wire.near, "dialWebSocket", await startServer(wire, "serveWebSocket"));
    assert.equal(await client.nextLine(), "connected");
    wire.pull();
    assert.deepEqual(await client.outcome(), ["CloseError", died]);
  });

  test("of a WebSocket finds a dead client", async (wire) => {
    const server = wire.start(wire.near, "serveWebSocket", joinHostPort(wire.near.ipv4, 0));
    const client = wire.start(wire.far, "dialWebSocket", (await server.nextLine())!);
    assert.equal(await client.nextLine(), "connected");
    wire.pull();
    assert.deepEqual(await server.outcome(), [died]);
  });
});
