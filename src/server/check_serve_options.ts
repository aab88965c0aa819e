import { checkFunctions, checkObject, checkOptions, wrongArgument } from "../bytes/check_argument.ts";
import { webSocketSettings } from "../websocket/options.ts";
import type { ServeOptions } from "./server.ts";

/**
 * Checks the options of a server, before anything is opened.
 *
 * @throws {TypeError} when an option is of the wrong kind, or `websocket` is missing
 * @throws {RangeError} when a number is out of range
 */
export function checkServeOptions(options: unknown): asserts options is ServeOptions {
  checkObject("serve", "options", options);
  checkOptions("serve", options);
  const { websocket } = options as { websocket?: unknown };
  if (typeof websocket !== "function") {
    throw wrongArgument("serve", "websocket", websocket, "a function, which is called with each WebSocket");
  }
  checkFunctions("serve", options, ["upgrade", "fetch", "onError", "checkOrigin", "error"]);
  webSocketSettings(options);
}
