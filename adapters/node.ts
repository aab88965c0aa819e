import type { RuntimeAdapter } from "../src/net/runtime.ts";
import { bufferText } from "./buffer_text.ts";
import { systemClock } from "./clock.ts";
import { lookUpHost } from "./dns.ts";
import { bindNode } from "./node_datagram.ts";
import { connectHandle, listenHandle } from "./node_handles.ts";
import { nodeTlsContext } from "./tls.ts";
import { unixFiles } from "./unix_files.ts";
import { maskMemory } from "./mask_memory.ts";
import { rawDeflate } from "./zlib.ts";

/** Node's own sockets, text and randomness. */
export const nodeAdapter: RuntimeAdapter = {
  name: "node",
  lookup: lookUpHost,
  connect: connectHandle,
  listen: listenHandle,
  bind: (target, request) => bindNode(target, request),
  tlsContext: (role, config) => nodeTlsContext(role, config, { serverMissesEnd: true }),
  unixFiles,
  clock: systemClock,
  text: bufferText,
  maskMemory,
  maxCheapArray: 64,
  fillRandom: (into) => void crypto.getRandomValues(into as Uint8Array<ArrayBuffer>),
  deflate: rawDeflate,
};
