import { currentAdapter } from "../adapters/runtime.ts";
import { Runtime } from "../src/net/runtime.ts";

/** The current runtime. All entries use this one object, so that their sockets share timers and buffers. */
export const runtime: Runtime = new Runtime(currentAdapter());
