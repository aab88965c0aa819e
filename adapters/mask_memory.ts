/**
 * Masking sixteen bytes at a time, by a function of WebAssembly, the only way from JavaScript to such instructions. The
 * function works in memory of its own, where 16 B take 3.5 ns instead of 14, 1 KiB 40 ns instead of 170, and 64 KiB 2.8 µs
 * instead of 6 to 10; a copy into that memory costs less than that saves (`bench/mask.ts`).
 */

import type { MaskMemory } from "../src/bytes/mask_memory.ts";
import { maskModule } from "./mask_module.ts";

/** The part of WebAssembly that is used here: the type checks of the core have no declaration of it. */
interface WebAssemblyHost {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
}
interface MaskExports {
  /** Whether no byte of `memory[start, stop)` has its highest bit set: 1, or 0. */
  ascii(start: number, stop: number): number;
  /** Masks `memory[start, stop)`. */
  mask(start: number, stop: number, key: number): void;
  readonly memory: { readonly buffer: ArrayBuffer };
}

/** Upper bound of one read, bytes. */
const READ_SIZE = 262144;
/** Upper bound of what is copied in at once, bytes: the longest chunk that Bun gives. */
const WORKSPACE_SIZE = 524288;

/** A page of WebAssembly memory, bytes. */
const PAGE = 65536;

const functions = instantiate();

/** The memory and its function; `null` without WebAssembly. */
export const maskMemory: MaskMemory | null = functions && {
  bytes: new Uint8Array(functions.memory.buffer),
  workspace: READ_SIZE,
  inUse: false,
  mask: functions.mask,
};

/** Buffer for a runtime that reads all its sockets into one: a part of the memory that serves nothing else. */
export const readBuffer: Uint8Array = maskMemory?.bytes.subarray(0, READ_SIZE) ?? new Uint8Array(READ_SIZE);

/** Whether `maskMemory.bytes[start, end)` is ASCII, and so UTF-8. */
export function isAscii(start: number, end: number): boolean {
  return functions!.ascii(start, end) === 1;
}

function instantiate(): MaskExports | null {
  const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyHost };
  if (WebAssembly === undefined) return null;
  try {
    const module = new WebAssembly.Module(maskModule((READ_SIZE + WORKSPACE_SIZE) / PAGE));
    return new WebAssembly.Instance(module).exports as MaskExports;
  } catch {
    // WebAssembly is forbidden, the processor lacks the instructions, or there is no address space for the memory.
    return null;
  }
}
