/**
 * One end of a WebSocket that carries one long message, in its own process so that its memory can be measured
 * separately: `transfer_peer.ts read WAY MIB` serves and reads slowly, `transfer_peer.ts write WAY MIB ADDRESS` dials
 * and writes. The last line that it prints is a {@linkcode TransferReport}.
 */

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { dialWebSocket, listenAndServe, readFull } from "../../mod.ts";
import { fill, transfer, type TransferReport, WARM_UP } from "../net/transfer_peer.ts";
import { rawClient } from "./raw_peer.ts";

/** How a message is written, block by block. */
interface MessageSink {
  write(bytes: Uint8Array): Promise<unknown>;
  /** Ends the message, waits for an answer and leaves. */
  end(): Promise<void>;
}

/** All ways of writing it, by name. */
export const ways: Readonly<Record<string, (address: string, size: number) => Promise<MessageSink>>> = {
  async "in fragments"(address) {
    const ws = await dialWebSocket(`ws://${address}/`);
    const writer = await ws.nextWriter("binary");
    return {
      write: (bytes) => writer.write(bytes),
      async end() {
        await writer.close();
        await ws.readMessage();
        await ws.close();
      },
    };
  },
  async "in one frame"(address, size) {
    const peer = await rawClient(address);
    const head = new DataView(new ArrayBuffer(14));
    head.setUint16(0, 0x82ff);
    head.setBigUint64(2, BigInt(size));
    // The masking key is zeros, which change nothing.
    await peer.send(new Uint8Array(head.buffer));
    return {
      write: (bytes) => peer.conn.write(bytes),
      async end() {
        await peer.readFrame();
        peer.conn.closeNow();
      },
    };
  },
};

async function write(way: string, mib: number, address: string): Promise<TransferReport> {
  const sink = await ways[way]!(address, (WARM_UP + mib) * (1 << 20));
  let state = 1;
  const report = await transfer(mib, async (words) => {
    // The same array each time: it is free as soon as it is written.
    state = fill(words, state);
    await sink.write(new Uint8Array(words.buffer));
  });
  await sink.end();
  return report;
}

async function read(mib: number): Promise<TransferReport> {
  const { promise, resolve, reject } = Promise.withResolvers<TransferReport>();
  const server = await listenAndServe("tcp", "127.0.0.1:0", {
    readLimit: Infinity,
    async websocket(conn) {
      const reader = await conn.nextReader();
      const report = await transfer(mib, async (words) => {
        await readFull(reader, new Uint8Array(words.buffer));
        await sleep(1);
      });
      if (await reader.readChunk() !== null) throw new Error("More came than was sent");
      await conn.writeMessage("all of it came");
      await conn.closed;
      resolve(report);
    },
    onError: reject,
  });
  console.log(String(server.addr));
  const report = await promise;
  await server.shutdown();
  return report;
}

async function main([role, way = "", mib, address = ""]: string[]): Promise<void> {
  const report = await (role === "read" ? read(Number(mib)) : write(way, Number(mib), address));
  console.log(JSON.stringify(report));
}

if (import.meta.main) await main(process.argv.slice(2));
