/** Random test cases, each with a seed, and the report of a failed one. */

import process from "node:process";
import { Random } from "../bytes/random.ts";
import { toHex } from "../protocol/wire.ts";

/** Options of every test: a timeout of 30 seconds, or of 10 minutes where the environment sets the number of cases. */
export const limit: { timeout: number } = {
  timeout: fromEnvironment("JACKFIELD_FUZZ_CASES", 0) > 0 ? 600_000 : 30_000,
};

/** One case: checks `wire`, and throws what is wrong. */
export type Check = (wire: Uint8Array) => void | Promise<void>;

/** A wire made from a seed, and its check. */
export interface Case {
  readonly wire: Uint8Array;
  readonly check: Check;
}

/**
 * Runs `count` cases, or JACKFIELD_FUZZ_CASES of them, from the seed JACKFIELD_FUZZ_SEED on. Each case has its own
 * seed, so that it can be run alone. A failing wire is shortened as long as it still fails.
 */
export async function runCases(count: number, make: (random: Random) => Case): Promise<void> {
  await runSeeds(count, async (seed) => {
    const { wire, check } = make(new Random(seed));
    const error = await failure(check, wire);
    if (error === null) return;
    const short = await shrink(wire, async (wire) => await failure(check, wire) !== null);
    const say = (await failure(check, short)) ?? error;
    throw new Error(`wire: ${toHex(wire)}\nshort: ${toHex(short)}\n${text(say)}`, { cause: error });
  });
}

/** Runs cases that are made from a seed alone; the error of a failed one says how to repeat it. */
export async function runSeeds(count: number, run: (seed: number) => Promise<void>): Promise<void> {
  const cases = fromEnvironment("JACKFIELD_FUZZ_CASES", count);
  const first = fromEnvironment("JACKFIELD_FUZZ_SEED", 1);
  for (let seed = first; seed < first + cases; seed++) {
    try {
      await run(seed);
    } catch (error) {
      const command = `JACKFIELD_FUZZ_SEED=${seed} JACKFIELD_FUZZ_CASES=1`;
      throw new Error(`${command}\n${text(error)}`, { cause: error });
    }
  }
}

/** The wire without the parts that it fails without too; larger parts are removed first. */
async function shrink(wire: Uint8Array, fails: (wire: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
  let short = wire;
  let tries = 500;
  for (let size = wire.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < short.length && tries > 0; tries--) {
      const less = Uint8Array.from([...short.subarray(0, at), ...short.subarray(at + size)]);
      if (await fails(less)) short = less;
      else at += size;
    }
  }
  return short;
}

async function failure(check: Check, wire: Uint8Array): Promise<unknown> {
  try {
    await check(wire.slice());
    return null;
  } catch (error) {
    return error ?? new Error("threw nothing");
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

function fromEnvironment(name: string, otherwise: number): number {
  const value = Number(process.env[name]);
  return Number.isInteger(value) && value > 0 ? value : otherwise;
}
