import { currentAdapter } from "../adapters/runtime.ts";
import { Runtime } from "../src/net/runtime.ts";

/** The runtime that this is: one for all entries, so that their sockets share timers and buffers. */
export const runtime: Runtime = new Runtime(currentAdapter());
