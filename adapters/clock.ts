import type { Clock } from "../src/net/timer_queue.ts";

/** The part that timers of Node, Bun and Deno (2.9 and later) have in common. A test's mock timer may lack it. */
interface RuntimeTimer {
  unref?(): void;
}

declare function setTimeout(callback: () => void, delay: number): RuntimeTimer;
declare function clearTimeout(timer: RuntimeTimer): void;
declare function setImmediate(callback: () => void): unknown;

/** The runtime's clock, or a test's mock in its place. Timers keep no process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  startTimer(callback, delay) {
    const timer = setTimeout(callback, delay);
    timer.unref?.();
    return timer;
  },
  stopTimer: (timer) => clearTimeout(timer as RuntimeTimer),
  afterTurn: (callback) => void setImmediate(callback),
};
