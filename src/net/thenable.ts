/** Whether a value has a `then` method, so that a callback's result must be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** Passes the rejection of a promise that a hook returned to `report`; does nothing with other results. */
export function reportRejection(result: unknown, report: (error: unknown) => void): void {
  if (isThenable(result)) Promise.resolve(result).then(undefined, report);
}
