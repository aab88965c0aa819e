/** Multicast and broadcast, on loopback and between two hosts, each a process of this runtime. */

import assert from "node:assert/strict";
import process from "node:process";
import { after, describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import {
  joinHostPort,
  listenPacket,
  type ListenPacketOptions,
  NetError,
  type PacketConn,
  splitHostPort,
} from "../../mod.ts";
import { hostsPermitted, Wire } from "./network_namespace.ts";
import { holdProcess, isDeadlineExceeded, limit } from "./support.ts";

const { name } = currentAdapter();
const noHosts = hostsPermitted ? false : "ip is missing or may not make network namespaces";
const LOOPBACK = "127.0.0.1";
const GROUP = "239.77.1.1";

function hasCode(code: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof NetError, `not a NetError: ${error}`);
    assert.deepEqual([error.code, error.op, error.network], [code, "set", "udp"]);
    return true;
  };
}

async function nextText(conn: PacketConn): Promise<string> {
  return new TextDecoder().decode((await conn.readFrom()).data);
}

describe("multicast on loopback", () => {
  holdProcess();

  const test = (
    title: string,
    body: (open: (options?: ListenPacketOptions, port?: number) => Promise<PacketConn>) => Promise<void>,
  ) =>
    it(
      title,
      { ...limit, skip: process.platform === "linux" ? false : "loopback may have no groups" },
      async () => {
        const opened: PacketConn[] = [];
        try {
          await body(async (options = {}, port = 0) => {
            const conn = await listenPacket("udp4", `:${port}`, options);
            opened.push(conn);
            return conn;
          });
        } finally {
          await Promise.all(opened.map((conn) => conn.close()));
        }
      },
    );
  const send = (conn: PacketConn, group: string, { localAddr }: PacketConn, text: string) =>
    conn.writeTo(new TextEncoder().encode(text), `${group}:${localAddr.port}`);

  for (const by of [LOOPBACK, "lo"]) {
    test(`reaches two receivers on one port, by the interface ${by}`, async (open) => {
      const sender = await open({ multicastInterface: by });
      const a = await open({ reuseAddress: true });
      const b = await open({ reuseAddress: true }, a.localAddr.port);
      for (const conn of [a, b]) await conn.joinGroup(GROUP, { interface: by });
      await send(sender, GROUP, a, "all");
      assert.deepEqual(await Promise.all([nextText(a), nextText(b)]), ["all", "all"]);
    });
  }

  test("has several groups on a socket, which are left one by one", async (open) => {
    const sender = await open({ multicastInterface: LOOPBACK, multicastTtl: 1 });
    const receiver = await open();
    const groups = [GROUP, "239.77.1.2", "239.77.1.3"];
    const on = { interface: LOOPBACK };
    for (const group of groups) await receiver.joinGroup(group, on);
    await receiver.leaveGroup(groups[1]!, on);
    for (const group of groups) await send(sender, group, receiver, group);
    assert.deepEqual([await nextText(receiver), await nextText(receiver)], [groups[0], groups[2]]);
  });

  test("is heard of one source alone", async (open) => {
    // On Deno the option chooses what can do it.
    const receiver = await open({ multicastTtl: 1 });
    const sender = await open({ multicastInterface: LOOPBACK });
    const [right, wrong] = ["232.77.1.1", "232.77.1.2"];
    await receiver.joinGroup(wrong, { interface: LOOPBACK, source: "127.0.0.9" });
    await receiver.joinGroup(right, { interface: LOOPBACK, source: LOOPBACK });
    await send(sender, wrong, receiver, "wrong");
    await send(sender, right, receiver, "right");
    assert.equal(await nextText(receiver), "right");
    await receiver.leaveGroup(right, { interface: LOOPBACK, source: LOOPBACK });
    receiver.setReadDeadline(Date.now() + 30);
    await send(sender, right, receiver, "left");
    await assert.rejects(receiver.readFrom(), isDeadlineExceeded);
  });

  test("refuses what makes no sense, with the same codes everywhere", async (open) => {
    const conn = await open({ multicastTtl: 1 });
    const on = { interface: LOOPBACK };
    await conn.joinGroup(GROUP, on);
    await assert.rejects(conn.joinGroup(GROUP, on), hasCode("EADDRINUSE"));
    await assert.rejects(conn.leaveGroup("239.77.1.9", on), hasCode("EADDRNOTAVAIL"));
    await assert.rejects(conn.joinGroup(GROUP, { interface: "nowhere" }), hasCode("EADDRNOTAVAIL"));
    await assert.rejects(conn.joinGroup("ff02::77"), hasCode("EAFNOSUPPORT"));
    await assert.rejects(conn.joinGroup("10.0.0.1"), TypeError);
    await assert.rejects(conn.joinGroup("localhost"), TypeError);
    await assert.rejects(conn.joinGroup(GROUP, { source: "somebody" }), TypeError);
    await conn.leaveGroup(GROUP, on);
    await conn.joinGroup(GROUP, on);
    for (const hops of [0, -1, 256, 1.5, NaN, "1"]) {
      assert.throws(() => conn.setTtl(hops as number), RangeError);
      assert.throws(() => conn.setMulticastTtl(hops as number), RangeError);
    }
    assert.throws(() => conn.setMulticastInterface("nowhere"), hasCode("EADDRNOTAVAIL"));
    conn.setTtl(3);
    conn.setMulticastTtl(3);
    conn.setMulticastLoopback(true);
    conn.setMulticastInterface(LOOPBACK);
    conn.setBroadcast();
    conn.setBroadcast(false);
  });
});

const wires = new Set<Wire>();
// A test that times out does not clean up, so that the file does it at its end.
after(() => {
  for (const wire of wires) wire.remove();
});

function testHosts(title: string, body: (wire: Wire) => Promise<void>, skip: string | false = noHosts): void {
  it(title, { timeout: 60_000, skip }, async () => {
    const wire = new Wire();
    wires.add(wire);
    try {
      wire.lay();
      // Systems list interfaces that run.
      while (!wire.running) await new Promise((resolve) => setTimeout(resolve, 10));
      await body(wire);
    } finally {
      wire.remove();
      wires.delete(wire);
    }
  });
}

const families = {
  ipv4: { any: "0.0.0.0", groups: ["239.77.2.1", "239.77.2.2"], sourced: "232.77.2.1" },
  ipv6: { any: "::", groups: ["ff02::77:1", "ff05::77:2"], sourced: "ff35::8000:77" },
} as const;

describe("between two hosts", () => {
  for (const family of ["ipv4", "ipv6"] as const) {
    const { any, groups, sourced } = families[family];
    const noSource = name === "deno" && family === "ipv6" ? "Deno cannot choose a source by IPv6" : false;

    testHosts(`a group is heard by two processes on one port, ${family}`, async (wire) => {
      const first = wire.start(wire.far, "hear", joinHostPort(any, 0), groups.join(","), "wire");
      const { port } = splitHostPort((await first.nextLine())!);
      const second = wire.start(
        wire.far,
        "hear",
        joinHostPort(any, port),
        groups.join(","),
        wire.far[family],
      );
      await second.nextLine();
      const sends = [...groups, groups[0]].flatMap((
        group,
        i,
      ) => [joinHostPort(group, port), ["one", "two", "end"][i]!]);
      const options = JSON.stringify({ multicastInterface: wire.near[family] });
      assert.deepEqual(await wire.start(wire.near, "send", options, ...sends).outcome(), ["sent"]);
      const [one, two, end] = [await first.nextLine(), await first.nextLine(), await first.nextLine()];
      assert.match(one!, /^one from /);
      assert.match(two!, /^two from /);
      assert.match(end!, /^end from /);
      assert.equal((await second.outcome()).length, 3);
    });

    testHosts(`a group is left, ${family}`, async (wire) => {
      const [group] = groups;
      const program = wire.start(wire.far, "hear", joinHostPort(any, 0), group, "wire");
      const { port } = splitHostPort((await program.nextLine())!);
      const options = JSON.stringify({ multicastInterface: "wire", multicastTtl: 2 });
      const [many, alone] = [joinHostPort(group, port), joinHostPort(wire.far[family], port)];
      await wire.start(wire.near, "send", options, many, "leave").outcome();
      assert.match((await program.nextLine())!, /^leave from /);
      assert.equal(await program.nextLine(), "left");
      await wire.start(wire.near, "send", options, many, "nobody", alone, "end").outcome();
      assert.deepEqual(await program.outcome(), [`end from ${wire.near[family]}`]);
    });

    testHosts(`a group is not heard at home where that is turned off, ${family}`, async (wire) => {
      const [group] = groups;
      const program = wire.start(wire.near, "hear", joinHostPort(any, 0), group, "wire");
      const to = joinHostPort(group, splitHostPort((await program.nextLine())!).port);
      const send = (multicastLoopback: boolean, text: string) =>
        wire.start(
          wire.near,
          "send",
          JSON.stringify({ multicastInterface: "wire", multicastLoopback }),
          to,
          text,
        ).outcome();
      assert.deepEqual(await send(false, "quiet"), ["sent"]);
      assert.deepEqual(await send(true, "end"), ["sent"]);
      assert.match((await program.nextLine())!, /^end from /);
    });

    testHosts(`a group is heard of one source alone, ${family}`, async (wire) => {
      const hear = (source: string, port: number) =>
        wire.start(wire.far, "hear", joinHostPort(any, port), sourced, "wire", source);
      const right = hear(wire.near[family], 0);
      const { port } = splitHostPort((await right.nextLine())!);
      const wrong = hear(family === "ipv4" ? "10.77.0.55" : "2001:db8:77::55", 0);
      const { port: wrongPort } = splitHostPort((await wrong.nextLine())!);
      const options = JSON.stringify({ multicastInterface: "wire" });
      await wire.start(
        wire.near,
        "send",
        options,
        ...[joinHostPort(sourced, wrongPort), "nobody", joinHostPort(sourced, port), "end"],
        ...[joinHostPort(wire.far[family], wrongPort), "end"],
      ).outcome();
      assert.deepEqual(await right.outcome(), [`end from ${wire.near[family]}`]);
      assert.deepEqual(await wrong.outcome(), [`end from ${wire.near[family]}`]);
    }, noHosts || noSource);
  }

  testHosts("a broadcast is heard where it is allowed", async (wire) => {
    const program = wire.start(wire.far, "hear", "0.0.0.0:0");
    const { port } = splitHostPort((await program.nextLine())!);
    const send = (options: object, text: string) =>
      wire.start(wire.near, "send", JSON.stringify(options), `10.77.0.255:${port}`, text).outcome();
    // Deno has no code for it.
    assert.deepEqual(await send({}, "forbidden"), [name === "deno" ? "EIO false" : "EACCES false"]);
    assert.deepEqual(await send({ broadcast: true }, "end"), ["sent"]);
    assert.deepEqual(await program.outcome(), [`end from ${wire.near.ipv4}`]);
  });
});
