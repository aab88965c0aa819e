/** The open file descriptors of this process, where the system tells. */

import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const DIRECTORY = "/proc/self/fd";

/** How many are open; 0 where the system does not tell. */
export function openDescriptors(): number {
  return existsSync(DIRECTORY) ? readdirSync(DIRECTORY).length : 0;
}

/** Waits until no more than `count` are open. A test's time-out ends it when they never are. */
export async function descriptorsDownTo(count: number): Promise<void> {
  while (openDescriptors() > count) await sleep(5);
}
