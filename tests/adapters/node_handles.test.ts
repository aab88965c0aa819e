import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { HandleSocket } from "../../adapters/handle_socket.ts";
import { currentAdapter } from "../../adapters/runtime.ts";
import {
  isStreamHandle,
  type StreamHandle,
  streamWrap,
  type WrapRequest,
} from "../../adapters/stream_wrap.ts";
import { type TcpAddr, tcpAddr } from "../../src/net/addr.ts";
import type { StreamSocket } from "../../src/net/stream_socket.ts";
import { canAskSystem } from "../net/socket_options.ts";
import { holdProcess, limit, pattern } from "../net/support.ts";
import { Recorder } from "./recorder.ts";

const run = promisify(execFile);
const notNode = currentAdapter().name !== "node" && "only Node has its handles";
const skip = notNode || streamWrap === null && "handles are turned off by JACKFIELD_NODE_HANDLES";
/** Each starts Node, with tests of its own. */
const slow = { timeout: 120_000, skip: notNode };

/** Without what a runner of tests tells its own. */
const env = { ...process.env, NODE_TEST_CONTEXT: undefined, JACKFIELD_NODE_HANDLES: undefined };

const urlOf = (path: string): string => JSON.stringify(new URL(`../../${path}`, import.meta.url).href);

/** A program that sends a byte through the adapter, and prints which class both sockets have, and the bytes that came. */
const exchange = `
  const { currentAdapter } = await import(${urlOf("adapters/runtime.ts")});
  const { tcpAddr } = await import(${urlOf("src/net/addr.ts")});
  const adapter = currentAdapter();
  const accepted = Promise.withResolvers();
  const onAccept = accepted.resolve;
  const server = await adapter.listen(tcpAddr("127.0.0.1", 0), {}, { onAccept, onError: accepted.reject });
  server.resume();
  const there = await adapter.connect(tcpAddr("127.0.0.1", server.addr.port), {}, null);
  const here = await accepted.promise;
  const read = new Promise((onData) => there.start({ onData, onEnd() {}, onDrain() {}, onClose() {} }));
  here.start({ onData() {}, onEnd() {}, onDrain() {}, onClose() {} });
  here.write(Uint8Array.of(1));
  console.log(there.constructor.name, here.constructor.name, (await read).length);
  here.close();
  there.close();
  await server.close();
`;

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

describe("Node's handles", () => {
  const unasked = process.env["JACKFIELD_NODE_HANDLES"] === undefined ? false : "the environment decides";
  it("are used on this version of Node", { skip: notNode || unasked }, () => {
    assert.notEqual(streamWrap, null);
  });

  for (
    const [value, used] of [["0", false], ["off", false], ["False", false], ["1", true], ["", true]] as const
  ) {
    it(`are ${used ? "used" : "turned off"} by JACKFIELD_NODE_HANDLES=${value}`, slow, async () => {
      const args = ["--input-type=module", "--eval", exchange];
      const { stdout } = await run(process.execPath, args, {
        env: { ...env, JACKFIELD_NODE_HANDLES: value },
      });
      assert.equal(stdout, used ? "HandleSocket HandleSocket 1\n" : "NodeSocket NodeSocket 1\n");
    });
  }

  it("are not turned off by the variable where permissions forbid them anyway", slow, async () => {
    const args = ["--permission", "--allow-fs-read=*", "--input-type=module", "--eval", exchange];
    const { stdout } = await run(process.execPath, args, { env: { ...env, JACKFIELD_NODE_HANDLES: "0" } });
    assert.equal(stdout, "NodeSocket NodeSocket 1\n");
  });

  it("are done without where Node does not show them", slow, async () => {
    const hidden = "data:text/javascript,process.binding = undefined";
    const files = ["tcp", "unix", "listener", "options"].map((name) => pathOf(`../net/${name}.test.ts`));
    const { stdout } = await run(process.execPath, ["--import", hidden, "--test", ...files], { env });
    assert.match(stdout, /^(ℹ|#) fail 0$/m);
  });

  it("warn nobody", slow, async () => {
    const program = `
      const { dial, listen } = await import(${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)});
      const listener = await listen("tcp", "127.0.0.1:0");
      const [there, here] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
      await here.write(Uint8Array.of(1));
      console.log((await there.readChunk()).length);
      await Promise.all([here.close(), there.close(), listener.close()]);
    `;
    const args = ["--pending-deprecation", "--input-type=module", "--eval", program];
    const { stdout, stderr } = await run(process.execPath, args, { env });
    assert.equal(stdout, "1\n");
    assert.doesNotMatch(stderr, /Deprecation/);
  });

  it("are done without where Node's permissions forbid to look for them", slow, async () => {
    const program = `
      const { dial, listen } = await import(${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)});
      const { streamWrap } = await import(${
      JSON.stringify(new URL("../../adapters/stream_wrap.ts", import.meta.url).href)
    });
      const listener = await listen("tcp", "127.0.0.1:0");
      const [there, here] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
      await here.write(Uint8Array.of(1));
      console.log(streamWrap, (await there.readChunk()).length);
      await Promise.all([here.close(), there.close(), listener.close()]);
    `;
    const args = ["--permission", "--allow-fs-read=*", "--input-type=module", "--eval", program];
    const { stdout } = await run(process.execPath, args, { env });
    assert.equal(stdout, "null 1\n");
  });

  for (const policy of ["round robin", "shared"]) {
    const skipCluster = notNode || !canAskSystem && "only Linux with Python tells the options of sockets";
    it(`are those of a cluster's workers: ${policy}`, { ...slow, skip: skipCluster }, async () => {
      const { stdout } = await run(process.execPath, [pathOf("cluster_program.ts"), policy], { env });
      const { samePort, told, left } = JSON.parse(stdout);
      assert.equal(samePort, true);
      assert.equal(told.length, 6);
      for (const { worker, ...rest } of told) {
        assert.ok(worker === 1 || worker === 2);
        assert.deepEqual(rest, { to: true, from: true, noDelay: false, keepAliveIdle: 20 });
      }
      // In turns, where Node hands them out; else as the kernel likes.
      if (policy === "round robin") {
        assert.equal(new Set(told.map(({ worker }: { worker: number }) => worker)).size, 2);
      }
      assert.deepEqual(left, [0, 0]);
    });
  }

  it("are told from what is none", () => {
    for (const value of [null, undefined, {}, 1, "x", { readStart() {} }]) {
      assert.equal(isStreamHandle(value), false);
    }
    assert.equal(isStreamHandle(new ScriptedHandle()), true);
  });

  it("leave warnings of others as they were", { skip }, () => {
    assert.equal("noDeprecation" in process && process.noDeprecation !== undefined, false);
  });
});

/** A handle that does what the test says, and writes down what it is told. */
class ScriptedHandle implements StreamHandle {
  onread: ((this: StreamHandle) => void) | undefined = undefined;
  readonly calls: string[] = [];
  /** What each call returns, by its name; 0 otherwise. */
  readonly statuses: Record<string, number> = {};
  /** Whether the kernel takes only a part of the next write. */
  takesPart = false;
  writing: WrapRequest | null = null;
  shutting: WrapRequest | null = null;
  #buffer!: Uint8Array;
  #onClosed = () => {};

  #call(name: string): number {
    this.calls.push(name);
    return this.statuses[name] ?? 0;
  }

  useUserBuffer(buffer: Uint8Array): void {
    this.#buffer = buffer;
  }

  readStart(): number {
    return this.#call("readStart");
  }

  readStop(): number {
    return this.#call("readStop");
  }

  writeBuffer(request: WrapRequest, bytes: Uint8Array): number {
    streamWrap!.streamBaseState[streamWrap!.kLastWriteWasAsync] = this.takesPart ? 1 : 0;
    if (this.takesPart) this.writing = request;
    return this.#call(`write ${bytes.length}`);
  }

  shutdown(request: WrapRequest): number {
    this.shutting = request;
    return this.#call("shutdown");
  }

  close(onClosed: () => void): void {
    this.#call("close");
    this.#onClosed = onClosed;
  }

  reset?(onClosed: () => void): number {
    this.#onClosed = onClosed;
    return this.#call("reset");
  }

  ref(): void {
    this.#call("ref");
  }

  unref(): void {
    this.#call("unref");
  }

  /** Bytes come, or an error does. */
  read(what: Uint8Array | number): void {
    const count = typeof what === "number" ? what : what.length;
    if (typeof what !== "number") this.#buffer.set(what);
    streamWrap!.streamBaseState[streamWrap!.kReadBytesOrError] = count;
    this.onread!();
  }

  closed(): void {
    this.#onClosed();
  }
}

const ADDR = tcpAddr("127.0.0.1", 1);
const END_OF_FILE = -4095;
const [EPIPE, ECONNRESET, ENOTCONN, ECANCELED] = [-32, -104, -107, -125];

function scripted(): { handle: ScriptedHandle; socket: HandleSocket; heard: Recorder } {
  const handle = new ScriptedHandle();
  const socket = new HandleSocket(handle, { localAddr: ADDR, remoteAddr: ADDR });
  const heard = new Recorder();
  heard.around("start", () => socket.start(heard));
  handle.calls.splice(0);
  return { handle, socket, heard };
}

const elsewhere = skip !== false || process.platform !== "linux";

describe("a socket at a handle", {
  skip: elsewhere && "only Node has handles (turned on), with Linux's errors",
}, () => {
  it("drains once when the rest of a write is taken, and keeps what is written until then", () => {
    const { handle, socket, heard } = scripted();
    handle.takesPart = true;
    const bytes = pattern(0, 10);
    assert.equal(socket.write(bytes), false);
    assert.equal(handle.writing!.bytes, bytes);
    assert.deepEqual(heard.events, []);
    const first = handle.writing!;
    first.oncomplete!(0);
    assert.deepEqual(heard.events, ["drain"]);
    // A request that went on is not used for another write.
    handle.takesPart = false;
    assert.equal(socket.write(bytes), true);
    handle.takesPart = true;
    assert.equal(socket.write(bytes), false);
    assert.notEqual(handle.writing, first);
  });

  it("breaks by the error of a write, at once or later", () => {
    for (const later of [false, true]) {
      const { handle, socket, heard } = scripted();
      handle.takesPart = later;
      handle.statuses["write 10"] = later ? 0 : EPIPE;
      assert.equal(socket.write(pattern(0, 10)), false);
      if (later) handle.writing!.oncomplete!(ECONNRESET);
      // What the kernel still has is read first, whoever pauses.
      socket.pause();
      assert.equal(socket.write(pattern(0, 10)), false);
      assert.deepEqual([heard.events, handle.calls], [[], ["write 10"]]);
      handle.read(pattern(0, 10));
      handle.read(-4095);
      assert.deepEqual([heard.events, handle.calls], [["data"], ["write 10", "close"]]);
      handle.closed();
      assert.deepEqual(heard.events, ["data", "close"]);
      assert.equal(heard.error!.code, later ? "ECONNRESET" : "EPIPE");
      assert.equal(socket.write(pattern(0, 10)), false);
    }
  });

  it("reads on for a failed write though it was paused, and closes at once for any other error", () => {
    const { handle, socket } = scripted();
    socket.pause();
    handle.statuses["write 10"] = EPIPE;
    socket.write(pattern(0, 10));
    assert.deepEqual(handle.calls, ["readStop", "write 10", "readStart"]);
    const other = scripted();
    other.handle.statuses["write 10"] = ENOTCONN;
    other.socket.write(pattern(0, 10));
    assert.deepEqual(other.handle.calls, ["write 10", "close"]);
  });

  it("hears nothing of a write that ends with the socket", () => {
    for (const status of [0, ECANCELED]) {
      const { handle, socket, heard } = scripted();
      handle.takesPart = true;
      socket.write(pattern(0, 10));
      socket.reset();
      handle.writing!.oncomplete!(status);
      handle.closed();
      assert.deepEqual([heard.events, heard.error], [["close"], null]);
    }
  });

  it("breaks by the error of a read, or where it cannot begin to read", () => {
    const { handle, heard } = scripted();
    handle.read(pattern(0, 10));
    handle.read(0);
    handle.read(ECONNRESET);
    handle.read(pattern(10, 20));
    handle.closed();
    assert.deepEqual([heard.events, heard.bytes, heard.error!.code], [["data", "close"], 10, "ECONNRESET"]);
    assert.deepEqual(handle.calls, ["close"]);

    const broken = new ScriptedHandle();
    broken.statuses["readStart"] = ENOTCONN;
    const socket = new HandleSocket(broken, { localAddr: ADDR, remoteAddr: ADDR });
    const recorder = new Recorder();
    recorder.around("start", () => socket.start(recorder));
    broken.closed();
    assert.deepEqual([recorder.events, recorder.error!.code], [["close"], "EPIPE"]);
  });

  it("reads nothing after the end, and ends once", () => {
    const { handle, socket, heard } = scripted();
    handle.read(END_OF_FILE);
    socket.resume();
    socket.pause();
    socket.resume();
    assert.deepEqual([heard.events, handle.calls], [["end"], ["readStop"]]);
  });

  it("asks its handle to pause and to go on once for each", () => {
    const { handle, socket } = scripted();
    for (const call of ["resume", "pause", "pause", "resume", "resume", "pause"] as const) socket[call]();
    assert.deepEqual(handle.calls, ["readStop", "readStart", "readStop"]);
    socket.close();
    socket.resume();
    socket.pause();
    assert.deepEqual(handle.calls.slice(3), ["close"]);
  });

  it("is closed instead of reset while a FIN is on its way, and not before or after", () => {
    for (
      const [shutdowns, done, call] of [[0, false, "reset"], [1, false, "close"], [1, true, "reset"]] as const
    ) {
      const { handle, socket, heard } = scripted();
      if (shutdowns > 0) socket.closeWrite();
      if (done) handle.shutting!.oncomplete!(0);
      handle.calls.splice(0);
      socket.reset();
      assert.deepEqual(handle.calls, [call]);
      handle.closed();
      assert.deepEqual([heard.events, heard.error], [["close"], null]);
    }
    const { handle, socket } = scripted();
    handle.statuses["shutdown"] = ENOTCONN;
    socket.closeWrite();
    socket.reset();
    assert.deepEqual(handle.calls, ["shutdown", "reset"]);
  });

  it("is closed where its handle has no reset, as that of a Unix socket", () => {
    const handle = new ScriptedHandle();
    Object.assign(handle, { reset: undefined });
    const socket = new HandleSocket(handle, { localAddr: ADDR, remoteAddr: ADDR });
    socket.reset();
    assert.deepEqual(handle.calls, ["close"]);
    // TCP's options are none of its.
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 1000);
  });

  it("closes its handle once, whatever is called", () => {
    for (const first of ["close", "reset"] as const) {
      const { handle, socket, heard } = scripted();
      socket[first]();
      for (const call of ["close", "reset", "closeWrite", "pause", "resume", "ref", "unref"] as const) {
        socket[call]();
      }
      assert.deepEqual(handle.calls, [first]);
      handle.closed();
      socket.close();
      socket.reset();
      assert.deepEqual([handle.calls, heard.events], [[first], ["close"]]);
    }
  });
});

describe("sockets at handles", () => {
  holdProcess();

  it("of which the kernel takes parts at the same time keep apart", { ...limit, skip }, async () => {
    const accepted: StreamSocket[] = [];
    let onAccepted = () => {};
    const onAccept = (socket: StreamSocket) => {
      accepted.push(socket);
      onAccepted();
    };
    const adapter = currentAdapter();
    const onError = (error: Error) => assert.fail(error);
    const server = await adapter.listen(tcpAddr("127.0.0.1", 0), {}, { onAccept, onError });
    const target = tcpAddr("127.0.0.1", (server.addr as TcpAddr).port);
    const COUNT = 4;
    const allAccepted = new Promise<void>((resolve) =>
      onAccepted = () => accepted.length === COUNT && resolve()
    );
    const dialled = await Promise.all(Array.from({ length: COUNT }, () => adapter.connect(target, {}, null)));
    await allAccepted;
    const readers = accepted.map((socket) => {
      assert.ok(socket instanceof HandleSocket);
      const recorder = new Recorder();
      socket.start(recorder);
      socket.pause();
      return recorder;
    });
    const size = 12 << 20;
    const writers = dialled.map((socket) => {
      assert.ok(socket instanceof HandleSocket);
      const recorder = new Recorder();
      socket.start(recorder);
      return recorder;
    });
    const sent = dialled.map(async (socket, i) => {
      const writer = writers[i]!;
      await writer.send(socket, 0, size);
      await writer.send(socket, size, size + 1000, 10);
      socket.closeWrite();
    });
    for (const socket of accepted) socket.resume();
    await Promise.all(readers.map((reader) => reader.until(() => reader.ended)));
    await Promise.all(sent);
    assert.deepEqual(readers.map(({ bytes }) => bytes), Array(COUNT).fill(size + 1000));
    for (const writer of writers) assert.ok(writer.drains >= 1);
    for (const socket of [...dialled, ...accepted]) socket.close();
    await Promise.all([...writers, ...readers].map((recorder) => recorder.untilClosed()));
    await server.close();
  });
});
