/**
 * Marks a promise as handled and returns it: its rejection is for whoever awaits the call, and ends no process where the
 * call was not awaited. For calls that only the far end or the clock makes fail.
 */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/**
 * A promise rejected with the error, and marked as handled. A `TypeError` or `RangeError` is not marked: a wrong argument
 * is a mistake in the program, which a call that is not awaited must not hide.
 */
export function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  return error instanceof TypeError || error instanceof RangeError ? promise : handled(promise);
}

function ignore(): void {}
