import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { isAscii, maskMemory, readBuffer } from "../../adapters/mask_memory.ts";
import { applyMask } from "../../src/bytes/mask.ts";
import { Random } from "../bytes/random.ts";

const run = promisify(execFile);
const memory = maskMemory!;

describe("the memory where masking is fast", () => {
  it("is there on this runtime", () => {
    assert.notEqual(maskMemory, null);
    assert.equal(readBuffer.buffer, memory.bytes.buffer);
    // What is read is out of the way of what is copied.
    assert.ok(readBuffer.byteOffset + readBuffer.length <= memory.workspace);
  });

  it("masks as applyMask does, at each length to 300 and each alignment, and nothing else", () => {
    const random = new Random(7);
    for (let length = 0; length <= 300; length++) {
      for (let offset = 0; offset < 16; offset++) {
        const key = random.below(2 ** 32) | 0;
        const expected = random.bytes(340);
        memory.bytes.set(expected, 1000);
        applyMask(expected, offset, offset + length, key);
        memory.mask(1000 + offset, 1000 + offset + length, key);
        assert.deepEqual(memory.bytes.subarray(1000, 1340), expected, `${length} at ${offset}`);
      }
    }
  });

  it("masks all of itself, and neither before its beginning nor behind its end", () => {
    const { length } = memory.bytes;
    memory.bytes.fill(0x55);
    memory.mask(0, length, 0x11111111);
    assert.ok(memory.bytes.every((byte) => byte === 0x44));
    assert.throws(() => memory.mask(length - 8, length + 8, 1));
    memory.mask(8, 8, 1);
    assert.ok(memory.bytes.every((byte, at) => byte === 0x44 || at >= length - 8));
  });

  it("tells ASCII, at each length to 100, wherever a byte is none", () => {
    for (let length = 0; length <= 100; length++) {
      memory.bytes.fill(0xff, 500, 700);
      memory.bytes.fill(0x7f, 513, 513 + length);
      assert.equal(isAscii(513, 513 + length), true, `${length}`);
      for (let at = 0; at < length; at++) {
        memory.bytes[513 + at] = 0x80;
        assert.equal(isAscii(513, 513 + length), false, `${length}, at ${at}`);
        memory.bytes[513 + at] = 0x7f;
      }
    }
  });

  it("is done without where WebAssembly is forbidden", async () => {
    // Not gone: Node needs it to run what is TypeScript.
    const program = `
      const { Module } = WebAssembly;
      WebAssembly.Module = function (bytes) {
        if (bytes.length < 1000) throw new Error("forbidden");
        return new Module(bytes);
      };
      const { dialWebSocket, listenAndServe } = await import(${url("../../mod.ts")});
      const { maskMemory, readBuffer } = await import(${url("../../adapters/mask_memory.ts")});
      const server = await listenAndServe("tcp", "127.0.0.1:0", {
        websocket: async (conn) => {
          for await (const { data } of conn) await conn.writeMessage(data);
        },
      });
      const conn = await dialWebSocket("ws://" + server.addr + "/");
      await conn.writeMessage("é".repeat(100_000));
      const { data } = await conn.readMessage();
      console.log(maskMemory, readBuffer.length, data === "é".repeat(100_000));
      await conn.close();
      await server.shutdown();
    `;
    const { stdout } = await run(process.execPath, evaluate(program));
    assert.equal(stdout, "null 262144 true\n");
  });
});

function url(file: string): string {
  return JSON.stringify(new URL(file, import.meta.url).href);
}

/** How this runtime is told to run a program. */
function evaluate(program: string): string[] {
  if ("Deno" in globalThis) return ["eval", "--no-check", program];
  return "Bun" in globalThis ? ["--eval", program] : ["--input-type=module", "--eval", program];
}
