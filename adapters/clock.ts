import type { Clock } from "../src/net/timer_queue.ts";

/** The timers that Node, Bun and Deno (2.9 and later) have in common. One that a test has put in their place may have less. */
interface RuntimeTimer {
  unref?(): void;
}

declare function setTimeout(callback: () => void, delay: number): RuntimeTimer;
declare function clearTimeout(timer: RuntimeTimer): void;
declare function setImmediate(callback: () => void): unknown;

/** The runtime's clock, or what a test has put in its place. Its timers keep no process alive. */
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
