/** A TCP proxy that injects faults. Over plain `node:net`, so that it does not depend on the library. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A direction through the proxy. */
export type Direction = "toServer" | "toClient";

/** Delay and size of the pieces in one direction. */
export interface Manner {
  /** Delay of each piece, milliseconds. */
  delay?: number;
  /** Whether each byte is written separately. */
  bytewise?: boolean;
}

/** A fault of a connection, after exactly `after` bytes have passed. */
export interface Fault {
  /**
   * - `stall`: the counted directions pass on nothing more, until `release`
   * - `end`: the counted directions end, and later bytes are dropped; a half-close if one direction is counted
   * - `close`: both sockets are closed, even with bytes unread
   * - `reset`: both sockets are reset
   */
  kind: "stall" | "end" | "close" | "reset";
  after: number;
  /** The directions whose bytes are counted. */
  counting: Direction | "both";
}

/** Delays and fault of each connection. */
export interface ProxyOptions extends Partial<Record<Direction, Manner>> {
  fault?: Fault;
}

/** A proxy, which listens on a free port and connects to the target once for each connection. */
export class FaultProxy {
  /** Number of bytes that have passed. */
  readonly passed: Record<Direction, number> = { toServer: 0, toClient: 0 };
  readonly #server: Server;
  readonly #links = new Set<Link>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Starts a proxy; `target` is `host:port` of the server. */
  static async open(target: string, options: ProxyOptions = {}): Promise<FaultProxy> {
    const [host = "", port] = target.split(":");
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const proxy = new FaultProxy(server);
    server.on("connection", (client) => {
      const upstream = connect({ host, port: Number(port), allowHalfOpen: true });
      proxy.#links.add(new Link(client, upstream, options, proxy.passed));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  /** Address of the proxy, to dial. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Continues stalled directions. */
  release(): void {
    for (const link of this.#links) link.release();
  }

  /** Drops the remaining connections, and resolves when all are closed. */
  async close(): Promise<void> {
    for (const link of this.#links) link.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** One connection through the proxy. */
class Link {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #options: ProxyOptions;
  readonly #passed: Record<Direction, number>;
  /** Number of counted bytes that may still pass before the fault. */
  #left: number;
  #struck = false;
  readonly #released = Promise.withResolvers<void>();

  constructor(client: Socket, upstream: Socket, options: ProxyOptions, passed: Record<Direction, number>) {
    this.#client = client;
    this.#upstream = upstream;
    this.#options = options;
    this.#passed = passed;
    this.#left = options.fault?.after ?? Infinity;
    for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
      socket.setNoDelay(true);
      // An error of one side breaks the other too.
      socket.on("error", () => reset(other));
    }
    upstream.once("connect", () => this.#start());
  }

  #start(): void {
    if (this.#left === 0) this.#strike();
    this.#pump("toServer", this.#client, this.#upstream);
    this.#pump("toClient", this.#upstream, this.#client);
  }

  release(): void {
    this.#left = Infinity;
    this.#released.resolve();
  }

  destroy(): void {
    this.#client.destroy();
    this.#upstream.destroy();
    this.release();
  }

  #pump(direction: Direction, from: Socket, to: Socket): void {
    let work = Promise.resolve();
    from.on("data", (chunk: Uint8Array) => {
      from.pause();
      work = work.then(() => this.#pass(direction, to, chunk)).then(() => void from.resume());
    });
    from.on("end", () => void work.then(() => to.end()));
    from.resume();
  }

  async #pass(direction: Direction, to: Socket, chunk: Uint8Array): Promise<void> {
    const { delay, bytewise } = this.#options[direction] ?? {};
    const size = bytewise ? 1 : chunk.length;
    for (let at = 0; at < chunk.length; at += size) {
      if (delay !== undefined) await new Promise((resolve) => setTimeout(resolve, delay));
      await this.#forward(direction, to, chunk.subarray(at, at + size));
    }
  }

  async #forward(direction: Direction, to: Socket, bytes: Uint8Array): Promise<void> {
    if (!this.#counts(direction)) return await this.#send(direction, to, bytes);
    // Subtracted before the wait, because the other direction counts at the same time.
    const count = Math.min(bytes.length, this.#left);
    this.#left -= count;
    if (count > 0) await this.#send(direction, to, bytes.subarray(0, count));
    if (this.#left > 0) return;
    this.#strike();
    if (this.#options.fault?.kind !== "stall") return;
    await this.#released.promise;
    if (count < bytes.length) await this.#send(direction, to, bytes.subarray(count));
  }

  #counts(direction: Direction): boolean {
    const { counting } = this.#options.fault ?? {};
    return counting === "both" || counting === direction;
  }

  /** Waits until the runtime has passed the bytes to the kernel, or the socket has failed. */
  async #send(direction: Direction, to: Socket, bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => void to.write(bytes, () => resolve()));
    this.#passed[direction] += bytes.length;
  }

  #strike(): void {
    if (this.#struck) return;
    this.#struck = true;
    const { kind } = this.#options.fault!;
    if (kind === "end") {
      if (this.#counts("toServer")) this.#upstream.end();
      if (this.#counts("toClient")) this.#client.end();
    }
    for (const socket of [this.#client, this.#upstream]) {
      if (kind === "close") socket.destroy();
      if (kind === "reset") reset(socket);
    }
  }
}

/** Resets the socket, after its FIN if one is on its way. */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.once("finish", () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
