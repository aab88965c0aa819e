import { Alarm, type TimerQueue } from "./timer_queue.ts";

/** Milliseconds between the starts of two attempts, while none has failed (RFC 8305, 8). */
export const ATTEMPT_DELAY = 250;

/** What a {@linkcode race} needs. */
export interface Race<T> {
  /** Where to connect, the best first; see {@linkcode interleave}. */
  readonly addresses: readonly string[];
  /** Tries one address. An attempt whose signal is aborted is dropped. */
  connect(address: string, signal: AbortSignal): Promise<T>;
  /** Gets rid of a connection that came too late. */
  discard(late: T): void;
  readonly timers: TimerQueue;
  /** Ends it all. */
  readonly signal: AbortSignal | null;
}

/** Sorts addresses so that the families take turns, in the order of the first one (RFC 8305, 4). */
export function interleave(addresses: readonly string[]): string[] {
  const isFirstFamily = (address: string) => address.includes(":") === addresses[0]!.includes(":");
  const first = addresses.filter(isFirstFamily);
  const second = addresses.filter((address) => !isFirstFamily(address));
  const mixed: string[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    if (i < first.length) mixed.push(first[i]!);
    if (i < second.length) mixed.push(second[i]!);
  }
  return mixed;
}

/**
 * Connects to whichever address answers first, RFC 8305, 5. A new attempt starts when the last one has failed or has
 * taken a quarter of a second; none is given up before another has won, however slow it is.
 *
 * @throws {AggregateError} when all fail, with every failure in the order of the addresses
 */
export function race<T>({ addresses, connect, discard, timers, signal }: Race<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = new AbortController();
    const failures: unknown[] = [];
    let started = 0;
    let failed = 0;
    let over = false;
    const alarm = new Alarm(() => startNext());

    const end = () => {
      over = true;
      timers.clear(alarm);
      signal?.removeEventListener("abort", onAbort);
      abort.abort();
    };
    const onAbort = () => {
      end();
      reject(signal!.reason);
    };
    const onConnected = (connection: T) => {
      if (over) return discard(connection);
      end();
      resolve(connection);
    };
    const onFailed = (index: number, error: unknown) => {
      if (over) return;
      failures[index] = error;
      if (++failed === addresses.length) {
        end();
        reject(new AggregateError(failures, "Every address failed"));
      } else {
        startNext();
      }
    };
    const startNext = () => {
      timers.clear(alarm);
      if (started === addresses.length) return;
      const index = started++;
      if (started < addresses.length) timers.set(alarm, timers.now() + ATTEMPT_DELAY);
      connect(addresses[index]!, abort.signal).then(onConnected, (error) => onFailed(index, error));
    };

    if (signal?.aborted) return reject(signal.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (addresses.length === 0) return reject(new AggregateError([], "There is no address"));
    startNext();
  });
}
