/**
 * Reads of Node's TCP and Unix sockets into one buffer that all of them share, instead of an allocation of 64 KiB for each
 * read and a stream in between. `net.connect` takes such a buffer (`onread`); a server's sockets are not asked for one, so
 * what the option would have set is set here. Where Node has changed, or this is another runtime's `node:net`, the sockets
 * are read as streams. What it gains: `bench/servers/tcp_node.ts` against ours, 64 KiB and one message in flight.
 */

import { Socket } from "node:net";

/**
 * As much as one read takes; the kernel's copy then lies in the processor's cache when it is looked at. All sockets can
 * share it, because a chunk is read from the kernel and told in one go.
 */
const shared = new Uint8Array(262144);

/** A read: `this` is the socket; `false` stops reading. */
type OnRead = (this: Socket, count: number, buffer: Uint8Array) => boolean;

/** What `net.connect` remembers of `onread`. */
interface ReadSymbols {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly next: symbol;
}

interface Readable extends Socket {
  /** Of TLS, which reads into a buffer of its own. */
  readonly encrypted?: boolean;
  _handle?: { useUserBuffer?(buffer: Uint8Array): void };
  [field: symbol]: unknown;
}

const symbols = findSymbols();

/**
 * Makes a socket that nobody has read read into the shared buffer.
 *
 * @returns `false` where that cannot be done
 */
export function readIntoShared(socket: Socket, onRead: OnRead): boolean {
  const readable = socket as Readable;
  const handle = readable._handle;
  if (symbols === null || readable.encrypted || typeof handle?.useUserBuffer !== "function") return false;
  readable[symbols.buffer] = shared;
  readable[symbols.callback] = onRead;
  readable[symbols.next] = null;
  handle.useUserBuffer(shared);
  return true;
}

/** The symbols, as a socket shows that was made with the option. */
function findSymbols(): ReadSymbols | null {
  if ("Bun" in globalThis || "Deno" in globalThis) return null;
  const onread = { buffer: shared, callback: () => true };
  const probe = new Socket({ onread } as ConstructorParameters<typeof Socket>[0]) as Readable;
  const named = new Map(Object.getOwnPropertySymbols(probe).map((symbol) => [symbol.description, symbol]));
  const buffer = named.get("kBuffer"), callback = named.get("kBufferCb"), next = named.get("kBufferGen");
  if (buffer === undefined || callback === undefined || next === undefined) return null;
  const isSame = probe[buffer] === shared && probe[callback] === onread.callback && probe[next] === null;
  return isSame ? { buffer, callback, next } : null;
}
