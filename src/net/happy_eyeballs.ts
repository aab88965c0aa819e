import { Alarm, type TimerQueue } from "./timer_queue.ts";

/** Delay between the starts of two attempts while none has failed, milliseconds (RFC 8305, section 8). */
export const ATTEMPT_DELAY = 250;

/** Parameters of a {@linkcode race}. */
export interface Race<T> {
  /** Addresses to connect to, in order of preference; see {@linkcode interleave}. */
  readonly addresses: readonly string[];
  /** Connects to one address. An attempt whose signal is aborted is dropped. */
  connect(address: string, signal: AbortSignal): Promise<T>;
  /** Closes a connection that was established after the race had ended. */
  discard(late: T): void;
  readonly timers: TimerQueue;
  /** Aborts the race. */
  readonly signal: AbortSignal | null;
}

/** Sorts addresses so that the families alternate, beginning with that of the first address (RFC 8305, section 4). */
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
 * Connects to the address that answers first (RFC 8305, section 5). The next attempt starts when the last one has
 * failed or has taken {@linkcode ATTEMPT_DELAY}; slow attempts go on until another one has won.
 *
 * @throws {AggregateError} when all attempts fail, with their errors in the order of the addresses
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
