import type { Clock } from "../src/net/timer_queue.ts";

/** The part that timers of Node, Bun and Deno (2.9 and later) have in common. A test's mock timer may lack it. */
interface RuntimeTimer {
  unref?(): void;
}

declare function setTimeout(callback: () => void, delay: number): RuntimeTimer;
declare function clearTimeout(timer: RuntimeTimer): void;
declare function setImmediate(callback: () => void): unknown;
declare const performance: { now(): number };

/** Upper bound of the time by which a runtime's own timers ring too early, because they count whole milliseconds; milliseconds. */
const ROUNDING = 2;

/**
 * Milliseconds by which {@linkcode now} is ahead of `performance.now()`. A test's mock timers ring long before their time, and
 * few mocks move `performance` as well: then the ring is what tells the time.
 */
let ahead = 0;

function now(): number {
  return performance.now() + ahead;
}

/** The runtime's clock, or a test's mock in its place. Timers keep no process alive. */
export const systemClock: Clock = {
  now,
  wallNow: () => Date.now(),
  startTimer(callback, delay) {
    const due = now() + delay;
    const timer = setTimeout(() => {
      const early = due - now();
      if (early > ROUNDING) ahead += early;
      callback();
    }, delay);
    timer.unref?.();
    return timer;
  },
  stopTimer: (timer) => clearTimeout(timer as RuntimeTimer),
  afterTurn: (callback) => void setImmediate(callback),
};
