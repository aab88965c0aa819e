/** A TCP proxy that harms what passes through it. Over plain `node:net`: what it does owes nothing to the library. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A way through the proxy. */
export type Direction = "toServer" | "toClient";

/** How bytes pass in one direction. */
export interface Manner {
  /** Milliseconds that each part is held. */
  delay?: number;
  /** One byte at a time, each in a write of its own. */
  bytewise?: boolean;
}

/** What happens to a connection when exactly `after` bytes have passed. */
export interface Fault {
  /**
   * - `stall`: the counted directions pass on nothing more, until `release`
   * - `end`: the counted directions end, what still comes is dropped; counting one of them, that is a half-close
   * - `close`: both sockets are closed, whatever is still unread
   * - `reset`: both sockets are reset
   */
  kind: "stall" | "end" | "close" | "reset";
  after: number;
  /** Which bytes count. */
  counting: Direction | "both";
}

/** What the proxy does to each connection. */
export interface ProxyOptions extends Partial<Record<Direction, Manner>> {
  fault?: Fault;
}

/** Listens on a port of its own, and connects to the target once for each connection. */
export class FaultProxy {
  /** Bytes that passed. */
  readonly passed: Record<Direction, number> = { toServer: 0, toClient: 0 };
  readonly #server: Server;
  readonly #links = new Set<Link>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens; `target` is `host:port` of the server. */
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

  /** Where to dial. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Lets what is stalled go on. */
  release(): void {
    for (const link of this.#links) link.release();
  }

  /** Drops what is left, and resolves when all is closed. */
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
  /** Counted bytes that may pass before the fault. */
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
      // What broke one side breaks the other.
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
    // Taken off before the wait: the other direction counts at the same time.
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

  /** Waits until the runtime has passed the bytes to the kernel, or cannot. */
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

/** Sends RST, after the end of the stream when one is on its way. */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.once("finish", () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
