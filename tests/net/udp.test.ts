import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { currentAdapter } from "../../adapters/runtime.ts";
import { dial, listenPacket, NetError, resolveUdpAddr } from "../../mod.ts";
import { isClosed, limit } from "./support.ts";
import { type PacketMaker, testPacketConn } from "./packet_conformance.ts";

const { name } = currentAdapter();
const { Deno } = globalThis as { Deno?: object };
const native = Deno !== undefined && "listenDatagram" in Deno;

/** Sockets with options that only `node:dgram` has, or with none. */
function maker(options: { writeBuffer?: number }): PacketMaker {
  return {
    listen: (address, more) => listenPacket("udp", address, { ...options, ...more }),
    dial: (address, more) => dial("udp", address, { ...options, ...more }),
  };
}

const refuses = name !== "deno";
testPacketConn("udp", maker({}), { refuses });
if (name === "bun" || native) {
  testPacketConn("udp through node:dgram", maker({ writeBuffer: 200_000 }), { refuses });
}

function isNotSupported(error: unknown): true {
  assert.ok(error instanceof NetError, `not a NetError: ${error}`);
  assert.deepEqual([error.code, error.network], ["ENOTSUP", "udp"]);
  assert.match(error.message, /not supported: (Bun\.udpSocket|Deno\.listenDatagram|node:dgram)/);
  return true;
}

/** `null` for what is done. */
async function failureOf(action: () => unknown): Promise<unknown> {
  try {
    await action();
    return null;
  } catch (error) {
    return error;
  }
}

describe("udp's options", () => {
  const options = {
    broadcast: true,
    ttl: 7,
    multicastTtl: 7,
    multicastLoopback: false,
    multicastInterface: "127.0.0.1",
    readBuffer: 100_000,
    writeBuffer: 100_000,
    reuseAddress: true,
  };
  for (const [option, value] of Object.entries(options)) {
    it(`has ${option} from the start`, limit, async () => {
      const conn = await listenPacket("udp4", "127.0.0.1:0", { [option]: value });
      await conn.writeTo(Uint8Array.of(7), conn.localAddr);
      assert.equal((await conn.readFrom()).data[0], 7);
      await conn.close();
    });
  }

  it("can be set later, or says what cannot", limit, async () => {
    const conn = await listenPacket("udp4", "127.0.0.1:0");
    const [few, many] = [["ReadBuffer", "WriteBuffer"], [
      "Ttl",
      "MulticastTtl",
      "MulticastLoopback",
      "MulticastInterface",
    ]];
    const set: Record<string, () => unknown> = {
      ReadBuffer: () => conn.setReadBuffer(100_000),
      WriteBuffer: () => conn.setWriteBuffer(100_000),
      Ttl: () => conn.setTtl(7),
      MulticastTtl: () => conn.setMulticastTtl(7),
      MulticastLoopback: () => conn.setMulticastLoopback(true),
      MulticastInterface: () => conn.setMulticastInterface("127.0.0.1"),
      source: () => conn.joinGroup("232.1.2.3", { interface: "127.0.0.1", source: "127.0.0.1" }),
    };
    const refused = native ? [...few!, ...many!, "source"] : name === "bun" ? few! : [];
    for (const [what, action] of Object.entries(set)) {
      const failure = await failureOf(action);
      if (refused.includes(what)) isNotSupported(failure);
      else assert.equal(failure, null, what);
    }
    await conn.close();
  });

  it("lets several share a port by reusePort, or says it cannot", limit, async () => {
    const opening = listenPacket("udp4", "127.0.0.1:0", { reusePort: true });
    if (name === "deno") return void await assert.rejects(opening, isNotSupported);
    const first = await opening;
    const second = await listenPacket("udp4", String(first.localAddr), { reusePort: true });
    await Promise.all([first.close(), second.close()]);
  });

  it("leave IPv4 out of :: on udp6, and by ipv6Only", limit, async () => {
    for (const [network, ipv6Only] of [["udp6", undefined], ["udp", true]] as const) {
      const six = await listenPacket(network, "[::]:0", ipv6Only === undefined ? {} : { ipv6Only });
      const four = await listenPacket("udp4", `0.0.0.0:${six.localAddr.port}`);
      await assert.rejects(six.writeTo(Uint8Array.of(1), four.localAddr), NetError);
      await Promise.all([six.close(), four.close()]);
    }
    await assert.rejects(listenPacket("udp4", ":0", { ipv6Only: true }), TypeError);
  });

  it("are refused where they make no sense", limit, async () => {
    const wrong = {
      ttl: [0, 256, 1.5, "1"],
      multicastTtl: [0, 256],
      readBuffer: [0, -1],
      maxQueuedBytes: [0],
      maxQueuedDatagrams: [0, NaN],
    };
    for (const [option, values] of Object.entries(wrong)) {
      for (const value of values) {
        await assert.rejects(listenPacket("udp", "127.0.0.1:0", { [option]: value }), RangeError);
        await assert.rejects(dial("udp", "127.0.0.1:9", { [option]: value }), RangeError);
      }
    }
    await assert.rejects(listenPacket("tcp" as "udp", "127.0.0.1:0"), TypeError);
    await assert.rejects(listenPacket("udp", "127.0.0.1"), TypeError);
    await assert.rejects(dial("udp", "127.0.0.1:9", { timeout: 0 }), RangeError);
    await assert.rejects(dial("udp", "127.0.0.1:9", { localAddress: "localhost:0" }), TypeError);
    await assert.rejects(dial("udp", "127.0.0.1:9", { localAddress: "[::1]:0" }), {
      code: "EADDRNOTAVAIL",
      op: "dial",
    });
  });
});

describe("udp", () => {
  it("says why it cannot listen, the same everywhere", limit, async () => {
    const conn = await listenPacket("udp", "127.0.0.1:0");
    const taken = String(conn.localAddr);
    await assert.rejects(listenPacket("udp", taken), {
      code: "EADDRINUSE",
      op: "listen",
      network: "udp",
      addr: taken,
    });
    await assert.rejects(listenPacket("udp", "192.0.2.1:0"), { code: "EADDRNOTAVAIL", op: "listen" });
    await assert.rejects(listenPacket("udp6", "127.0.0.1:0"), { code: "EADDRNOTAVAIL", op: "listen" });
    await conn.close();
  });

  it("is closed by a signal", limit, async () => {
    const abort = new AbortController();
    const conn = await listenPacket("udp", "127.0.0.1:0", { signal: abort.signal });
    const reading = assert.rejects(conn.readFrom(), isClosed);
    abort.abort();
    await reading;
    await conn.close();
    const reason = new Error("never mind");
    const { signal } = { signal: AbortSignal.abort(reason) };
    await assert.rejects(listenPacket("udp", "127.0.0.1:0", { signal }), (error) => error === reason);
    await assert.rejects(dial("udp", "127.0.0.1:9", { signal }), (error) => error === reason);
  });

  it("finds names by their addresses, IPv4 first", limit, async () => {
    const addr = await resolveUdpAddr("udp", "localhost:53");
    assert.deepEqual([addr.network, addr.hostname, addr.port], ["udp", "127.0.0.1", 53]);
    assert.equal(String(await resolveUdpAddr("udp6", "[::1]:53")), "[::1]:53");
    assert.equal(String(await resolveUdpAddr("udp4", ":53")), "0.0.0.0:53");
    await assert.rejects(resolveUdpAddr("udp4", "[::1]:53"), {
      code: "EADDRNOTAVAIL",
      op: "lookup",
      network: "udp",
    });
    await assert.rejects(resolveUdpAddr("tcp" as "udp", ":53"), TypeError);
    const server = await listenPacket("udp", "localhost:0");
    const conn = await dial("udp", `localhost:${server.localAddr.port}`);
    await conn.write(Uint8Array.of(1));
    assert.equal((await server.readFrom()).data[0], 1);
    await Promise.all([server.close(), conn.close()]);
  });

  it("holds all that through Deno.listenDatagram too", {
    timeout: 180_000,
    skip: name === "deno" && !native ? false : "only Deno has two, and one of them only when asked for",
  }, async () => {
    const file = fileURLToPath(import.meta.url);
    const args = ["test", "-A", "--no-check", "--unstable-net", file];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (part: string) => output += part);
    }
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 0, output);
    assert.match(output, /udp through node:dgram/);
  });
});
