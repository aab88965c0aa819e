/**
 * Node, through `node:net` and, for TCP and Unix sockets without TLS, the handles of libuv below its streams. What is
 * bridged here:
 *
 * | `node:net` | here |
 * | --- | --- |
 * | names have an order of their own, and `connect` a race of its own | the core looks up, through `dns.ts`, and connects to IP addresses |
 * | Nagle's algorithm is on | the core turns it off by `setNoDelay` |
 * | a server's socket reads at once | `pauseOnConnect`, until `start` |
 * | `write` queues without end, and `drain` comes only above a mark | `writableLength` tells whether the kernel took all; if not, the callback of an empty write tells when it has |
 * | `close` comes by itself once both sides have ended | `allowHalfOpen`; passed on as `onClose` |
 * | an error during a waiting write goes to the write's callback too | the callback is used only when all was taken |
 * | `resetAndDestroy` throws for a Unix socket | `destroy` then: the peer sees a reset if unread bytes were pending |
 * | `resetAndDestroy` during a shutdown fails and leaves the socket open | `destroy` then |
 * | the remote address of a connection that the peer has reset is `undefined` | a dialled one keeps the address that was dialled, an accepted one has the unspecified address |
 * | a write that finds the connection broken destroys the socket, and what the kernel has of the input is lost | `readsPastFailure` is not set, here and under TLS |
 * | before 22.12 `reusePort` is accepted and has no effect | ENOTSUP |
 * | `listen` on a Unix socket in a missing directory gives EACCES | ENOENT |
 *
 * | libuv | here |
 * | --- | --- |
 * | reads into the buffer that a handle was given, and puts the count into a variable of all handles | all sockets read into one buffer, which is lent to the handler within the call |
 * | `writeBuffer` writes what the kernel takes, and the rest later | the variable tells whether a rest is left; then the write's request calls back |
 * | a paused handle hears nothing of a reset or a time-out of the kernel; the next write does | what the kernel has of the input is read, then the socket closes with the write's error |
 * | errors are numbers | errors with the code that `node:net` would give |
 * | a reset during a shutdown fails and leaves the socket open | the socket is closed: the peer sees a reset if unread bytes were pending |
 * | Unix sockets have no reset | they are closed, too |
 * | sockets inherit the options of the listener, except on Windows | options are set once, at the listener |
 */

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

/** The adapter of Node. */
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
