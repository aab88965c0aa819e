/** A hub with many members over real sockets, whose other ends are made by hand. */

import assert from "node:assert/strict";
import {
  type Conn,
  dial,
  Hub,
  type HubMember,
  type HubOptions,
  listenAndServe,
  type Server,
  type WebSocketConn,
} from "../../mod.ts";
import { closeFrame, type Frame, handshake, OP, RawPeer } from "../websocket/raw_peer.ts";
import { textOf } from "../websocket/support.ts";

/** So many shake hands at a time. */
const AT_ONCE = 64;
/** Milliseconds until a socket is given up: beyond every test, since a slow machine's time is not what is tested. */
const NEVER = 600_000;

/** Who takes a new connection in; the path of its request says which it is. */
export type Enter = (hub: Hub<number>, conn: WebSocketConn, index: number) => HubMember<number>;

/** The text of a message: its number, filled up to a length. */
export function numbered(number: number, length: number): string {
  return `${number} `.padEnd(length, "0123456789abcdef");
}

/** The other end of a member: keeps the numbers of what it got, while it reads. */
export class CrowdPeer {
  readonly received: number[] = [];
  /** The close frame's code, once it came. */
  closedWith: number | null = null;
  /** Settles at the end of the stream. */
  reading: Promise<void> | null = null;
  readonly #raw: RawPeer;
  readonly #onReceived: (peer: CrowdPeer) => void;

  constructor(conn: Conn, onReceived: (peer: CrowdPeer) => void) {
    this.#raw = new RawPeer(conn);
    this.#onReceived = onReceived;
  }

  async shakeHands(address: string, path: string): Promise<void> {
    await this.#raw.send(handshake(address, {}, `GET ${path} HTTP/1.1`));
    assert.match(await this.#raw.readHead(), /^HTTP\/1\.1 101 /);
  }

  /** From now on it reads. */
  read(): void {
    this.reading ??= this.#read();
    // Who waits for it hears of it.
    this.reading.catch(() => {});
  }

  async #read(): Promise<void> {
    for (let frame = await this.#raw.readFrame(); frame !== null; frame = await this.#raw.readFrame()) {
      if (frame.opcode === OP.close) {
        this.closedWith = frame.payload[0]! << 8 | frame.payload[1]!;
        await this.#raw.send(closeFrame(this.closedWith));
        continue;
      }
      this.#take(frame);
      this.#onReceived(this);
    }
  }

  #take({ opcode, fin, payload }: Frame): void {
    assert.deepEqual([opcode, fin], [OP.text, true]);
    const text = textOf(payload);
    const number = Number.parseInt(text);
    assert.ok(text === numbered(number, text.length), `message ${number} is not as it was sent`);
    this.received.push(number);
  }

  leave(): void {
    this.#raw.conn.closeNow();
  }
}

/** A server, its hub, and everybody at their other ends. */
export class Crowd {
  readonly hub: Hub<number>;
  readonly members: HubMember<number>[] = [];
  readonly peers: CrowdPeer[] = [];
  #server!: Server;
  #arrived: Promise<void> | null = null;
  #target = 0;
  #behind = 0;
  #resolve: () => void = () => {};

  private constructor(options: HubOptions<number>) {
    // No long interval, of which the first pings leave after a 128th: a peer here takes a ping for a wrong message.
    this.hub = new Hub<number>({ ...options, pingInterval: Infinity });
  }

  /** Resolves when everybody is registered. Nobody reads yet. */
  static async gather(size: number, options: HubOptions<number>, enter: Enter): Promise<Crowd> {
    const crowd = new Crowd(options);
    const { promise: complete, resolve } = Promise.withResolvers<void>();
    let entered = 0;
    crowd.#server = await listenAndServe("tcp", "127.0.0.1:0", {
      closeTimeout: NEVER,
      keepalive: false,
      async websocket(conn, request) {
        const index = Number(new URL(request.url).pathname.slice(1));
        crowd.members[index] = enter(crowd.hub, conn, index);
        if (++entered === size) resolve();
        await conn.closed;
      },
    });
    let next = 0;
    const connect = async () => {
      for (let index = next++; index < size; index = next++) await crowd.#connect(index);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, connect));
    await complete;
    return crowd;
  }

  async #connect(index: number): Promise<void> {
    const address = String(this.#server.addr);
    const peer = new CrowdPeer(await dial("tcp", address), (peer) => this.#onReceived(peer));
    this.peers[index] = peer;
    await peer.shakeHands(address, `/${index}`);
  }

  /** Resolves when these have so many messages; nobody else may read meanwhile. */
  haveReceived(peers: readonly CrowdPeer[], count: number): Promise<void> {
    this.#target = count;
    this.#behind = peers.filter(({ received }) => received.length < count).length;
    if (this.#behind === 0) return Promise.resolve();
    this.#arrived = new Promise((resolve) => this.#resolve = resolve);
    return Promise.race([this.#arrived, ...peers.map((peer) => peer.reading!)]);
  }

  #onReceived(peer: CrowdPeer): void {
    if (peer.received.length === this.#target && --this.#behind === 0) this.#resolve();
  }

  async leave(): Promise<void> {
    for (const peer of this.peers) peer.leave();
    this.#server.close();
    await this.#server.finished;
  }
}
