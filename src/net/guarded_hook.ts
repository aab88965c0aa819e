import { reportRejection } from "./thenable.ts";

/**
 * Calls a hook of the application that must not change what happens: prints what it throws or rejects with.
 *
 * @returns the hook's result; `undefined` when it throws
 */
export function callGuarded(call: () => unknown): unknown {
  try {
    const result = call();
    reportRejection(result, (error) => console.error(error));
    return result;
  } catch (error) {
    console.error(error);
    return undefined;
  }
}
