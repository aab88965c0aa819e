/**
 * One end of a large transfer, in its own process so that its memory can be measured separately: `transfer_peer.ts
 * read TRANSPORT MIB` listens and reads slowly, `transfer_peer.ts write TRANSPORT MIB ADDRESS` dials and writes. The
 * last line that it prints is a {@linkcode TransferReport}.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { type Conn, dial, dialTls, listen, type Listener, listenTls, readFull } from "../../mod.ts";
import { clientTls, serverTls } from "./certificates.ts";

/** What passed, and what it cost. */
export interface TransferReport {
  checksum: number;
  /** Megabytes in memory after the warm-up. */
  start: number;
  /** The most after that. */
  most: number;
}

/** A way to move bytes between two processes. */
interface Transport {
  listen(): Promise<Listener>;
  dial(address: string): Promise<Conn>;
}

/** All there are, by name. */
export const transports: Readonly<Record<string, Transport>> = {
  "TCP, IPv4": { listen: () => listen("tcp4", "127.0.0.1:0"), dial: (address) => dial("tcp4", address) },
  "TCP, IPv6": { listen: () => listen("tcp6", "[::1]:0"), dial: (address) => dial("tcp6", address) },
  "TLS": {
    listen: () => listenTls("tcp", "127.0.0.1:0", { tls: serverTls }),
    dial: (address) => dialTls("tcp", address, { tls: clientTls }),
  },
  "a Unix socket": {
    listen: () => listen("unix", join(mkdtempSync(join(tmpdir(), "transfer-")), "socket")),
    async dial(address) {
      const conn = await dial("unix", address);
      // Nobody else comes: the name is no longer needed.
      rmSync(dirname(address), { recursive: true, force: true });
      return conn;
    },
  },
};

const MEGABYTE = 1 << 20;
/** Bytes that are written, or read and waited for, at once. */
const BLOCK = MEGABYTE / 4;
/** Megabytes that pass before memory is measured. */
export const WARM_UP = 8;
/** Megabytes between two measurements. */
const STEP = 4;

/** FNV-1a over words. */
function checksumOf(words: Uint32Array, checksum: number): number {
  for (let i = 0; i < words.length; i++) checksum = Math.imul(checksum ^ words[i]!, 0x01000193);
  return checksum >>> 0;
}

/** Words that look random and are the same in each run. */
export function fill(words: Uint32Array, state: number): number {
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return state;
}

/** Calls `pass` for each block, and measures between. */
export async function transfer(
  mib: number,
  pass: (words: Uint32Array<ArrayBuffer>) => Promise<void>,
): Promise<TransferReport> {
  const words = new Uint32Array(BLOCK / 4);
  const report = { checksum: 0x811c9dc5, start: 0, most: 0 };
  for (let at = 0; at < (WARM_UP + mib) * MEGABYTE; at += BLOCK) {
    if (at === WARM_UP * MEGABYTE) report.start = resident();
    await pass(words);
    report.checksum = checksumOf(words, report.checksum);
    if (at >= WARM_UP * MEGABYTE && at % (STEP * MEGABYTE) === 0) {
      report.most = Math.max(report.most, resident());
    }
  }
  return report;
}

/**
 * Megabytes in memory. Chunks that were read are garbage, and a runtime may let some 60 MiB of it lie; where the
 * collector can be called (`--expose-gc`), what is held is what is measured.
 */
function resident(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage.rss() / MEGABYTE;
}

async function write(conn: Conn, mib: number): Promise<TransferReport> {
  let state = 1;
  const report = await transfer(mib, async (words) => {
    // The same array each time: it is free as soon as it is written.
    state = fill(words, state);
    await conn.write(new Uint8Array(words.buffer));
  });
  await conn.closeWrite();
  if (await conn.readChunk() !== null) throw new Error("The reader wrote");
  return report;
}

async function read(conn: Conn, mib: number): Promise<TransferReport> {
  const report = await transfer(mib, async (words) => {
    await readFull(conn, new Uint8Array(words.buffer));
    await sleep(1);
  });
  if (await conn.readChunk() !== null) throw new Error("More came than was sent");
  return report;
}

async function accept(transport: Transport): Promise<Conn> {
  const listener = await transport.listen();
  console.log(String(listener.addr));
  const conn = await listener.accept();
  await listener.close();
  return conn;
}

async function main([role, name = "", mib, address = ""]: string[]): Promise<void> {
  const transport = transports[name]!;
  const conn = role === "read" ? await accept(transport) : await transport.dial(address);
  const report = await (role === "read" ? read : write)(conn, Number(mib));
  await conn.close();
  console.log(JSON.stringify(report));
}

if (import.meta.main) await main(process.argv.slice(2));
