/** A foreign implementation of `Conn`, driven as a socket. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Conn, pipe } from "../../mod.ts";
import { takeOver } from "../../src/net/conn_socket.ts";
import { NetError } from "../../src/net/errors.ts";
import type { StreamHandler, StreamSocket } from "../../src/net/stream_socket.ts";
import { holdProcess, limit } from "../net/support.ts";
import { bytesOf, foreign, textOf, turn } from "./support.ts";

/** A handler that records its events. */
class Recorder implements StreamHandler {
  readonly heard: string[] = [];
  onEvent: ((event: string) => void) | null = null;

  onData(chunk: Uint8Array): void {
    this.#hear(`data ${textOf(chunk)}`);
  }

  onEnd(): void {
    this.#hear("end");
  }

  onDrain(): void {
    this.#hear("drain");
  }

  onClose(error: NetError | null): void {
    this.#hear(error === null ? "close" : `close ${error.code}`);
  }

  #hear(event: string): void {
    this.heard.push(event);
    this.onEvent?.(event);
  }
}

function start(conn: Conn): { socket: StreamSocket; recorder: Recorder; heard: string[] } {
  const { socket } = takeOver(conn);
  const recorder = new Recorder();
  socket.start(recorder);
  return { socket, recorder, heard: recorder.heard };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}

describe("a foreign Conn as a socket", () => {
  holdProcess();

  it("passes on what comes, not from inside a call", limit, async () => {
    const [a, b] = pipe();
    await b.write(bytesOf("early"));
    const { heard } = start(foreign(a));
    assert.deepEqual(heard, []);
    await settled();
    await b.write(bytesOf("late"));
    await b.closeWrite();
    await settled();
    assert.deepEqual(heard, ["data early", "data late", "end"]);
  });

  it("reads nothing while it is paused", limit, async () => {
    const [a, b] = pipe();
    const { socket, recorder, heard } = start(foreign(a));
    recorder.onEvent = () => socket.pause();
    await b.write(bytesOf("1"));
    await settled();
    void b.write(bytesOf("2"));
    await settled();
    assert.deepEqual(heard, ["data 1"]);
    socket.resume();
    socket.resume();
    await settled();
    assert.deepEqual(heard, ["data 1", "data 2"]);
  });

  it("writes, and tells when it was taken", limit, async () => {
    const [a, b] = pipe();
    const { socket, heard } = start(foreign(a));
    assert.equal(socket.write(bytesOf("x")), false);
    assert.deepEqual(heard, []);
    assert.equal(textOf((await b.readChunk())!), "x");
    await settled();
    assert.deepEqual(heard, ["drain"]);
    socket.closeWrite();
    assert.equal(await b.readChunk(), null);
  });

  it("closes in order, and hears only that", limit, async () => {
    const [a, b] = pipe();
    const conn = foreign(a);
    let dropped = 0;
    conn.closeNow = () => void dropped++;
    const { socket, heard } = start(conn);
    await settled();
    socket.close();
    b.write(bytesOf("too late")).catch(() => {});
    await settled();
    assert.equal(dropped, 0, "its read fails, as it is closed: that is no reason to drop what leaves");
    assert.deepEqual(heard, ["close"]);
  });

  it("resets at any time, and hears only that", limit, async () => {
    for (const closedBefore of [false, true]) {
      const [a, b] = pipe();
      const { socket, heard } = start(foreign(a));
      socket.write(new Uint8Array(1_000_000));
      if (closedBefore) socket.close();
      socket.reset();
      assert.deepEqual(heard, []);
      await settled();
      assert.deepEqual(heard, ["close"]);
      b.closeNow();
    }
  });

  it("tells what broke it", limit, async () => {
    const [a, b] = pipe();
    const { heard } = start(foreign(a));
    b.closeNow();
    await settled();
    assert.deepEqual(heard, ["close ECONNRESET"]);
  });

  it("turns whatever a call throws into an error, and drops the connection", limit, async () => {
    const failure = new Error("mine");
    const throwing = () => {
      throw failure;
    };
    for (const method of ["readChunk", "write", "closeWrite", "close", "closeNow"] as const) {
      for (const call of [throwing, () => Promise.reject(failure)]) {
        if (method === "closeNow" && call !== throwing) continue;
        const [a] = pipe();
        const { socket, heard } = start(Object.assign(foreign(a), { [method]: call }));
        if (method === "write") socket.write(bytesOf("x"));
        if (method === "closeWrite") socket.closeWrite();
        if (method === "close") socket.close();
        if (method === "closeNow") socket.reset();
        await settled();
        assert.deepEqual(heard, ["close EIO"], method);
      }
    }
  });

  it("is dropped when its handler throws", limit, async () => {
    for (const when of ["data", "drain", "end"]) {
      const [a, b] = pipe();
      const { socket, recorder, heard } = start(foreign(a));
      recorder.onEvent = (event) => {
        if (event.startsWith(when) || event.startsWith("close")) throw new Error("the handler's");
      };
      if (when === "data") await b.write(bytesOf("x"));
      else if (when === "end") await b.closeWrite();
      else {
        socket.write(bytesOf("x"));
        await b.readChunk();
      }
      await settled();
      assert.equal(heard.at(-1), "close EIO", when);
      await assert.rejects(b.readChunk(), NetError);
    }
  });

  it("holds the process as its connection does", limit, () => {
    const calls: string[] = [];
    const conn = { ...foreign(pipe()[0]), ref: () => calls.push("ref"), unref: () => calls.push("unref") };
    const { socket } = takeOver(conn as unknown as Conn);
    socket.unref();
    socket.ref();
    assert.deepEqual(calls, ["unref", "ref"]);
  });

  it("has no deadline that somebody else set", limit, async () => {
    const [a, b] = pipe();
    const conn = foreign(a);
    conn.setDeadline(Date.now() + 10);
    const { heard } = start(conn);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await b.write(bytesOf("x"));
    await settled();
    assert.deepEqual(heard, ["data x"]);
  });
});
