/**
 * A program that opens one resource, makes some calls on it, and then has nothing else to keep it alive. The process
 * ends by itself; with `held` it prints `held` after a while, by a timer that does not keep it alive, and ends.
 *
 *     lifetime_child.ts RESOURCE CALL,CALL… PEER_ADDRESS [held]
 */

import process from "node:process";
import {
  dial,
  dialWebSocket,
  listen,
  listenAndServe,
  listenPacket,
  pipe,
  serve,
  type WebSocketConn,
} from "../../mod.ts";
import type { Conn, Listener, PacketConn } from "../../mod.ts";

const [what = "", calls = "", address = "", expected = ""] = process.argv.slice(2);

/** What can be done with all that is opened here. */
interface Opened {
  accept?(): Promise<unknown>;
  readChunk?(): Promise<unknown>;
  setDeadline?(t: number): void;
  ref?(): void;
  unref?(): void;
}

/** The first connection to a listener that is closed then; the peer dials what is printed. */
async function accept(options?: { maxConnections: number }): Promise<Conn> {
  const listener = await listen("tcp", "127.0.0.1:0", options);
  console.log(String(listener.addr));
  const conn = await listener.accept();
  await listener.close();
  return conn;
}

/** A connection whose peer sends more than is read ahead. */
async function dialFlood(): Promise<Conn> {
  const conn = await dial("tcp", address);
  await conn.write(new TextEncoder().encode("flood"));
  return conn;
}

function serveOn(listener: Listener): Listener {
  serve(listener, { websocket() {} });
  return listener;
}

function viewOf(conn: WebSocketConn): Opened {
  return {
    readChunk: () => conn.readMessage(),
    setDeadline: (t) => conn.setReadDeadline(t),
    ref: () => conn.netConn.ref(),
    unref: () => conn.netConn.unref(),
  };
}

function packetsOf(conn: PacketConn): Opened {
  return {
    readChunk: () => conn.readFrom(),
    setDeadline: (t) => conn.setReadDeadline(t),
    ref: () => conn.ref(),
    unref: () => conn.unref(),
  };
}

const keepalive = { pingInterval: 1_000_000, pongTimeout: 1_000_000 };

const openers: Record<string, () => Promise<Opened>> = {
  "listener": () => listen("tcp", "127.0.0.1:0"),
  "listener with reusePort": () => listen("tcp", "127.0.0.1:0", { reusePort: true }),
  "listener on unix": () => listen("unix", `@jackfield-lifetime-${process.pid}`),
  "listener that is served": async () => serveOn(await listen("tcp", "127.0.0.1:0")),
  "server": async () => (await listenAndServe("tcp", "127.0.0.1:0", { websocket() {} }), {}),
  "dialled conn": () => dial("tcp", address),
  "dialled conn with localAddress": () => dial("tcp", address, { localAddress: "127.0.0.1:0" }),
  "accepted conn": () => accept(),
  "accepted conn under maxConnections": () => accept({ maxConnections: 1 }),
  "conn that nobody reads": dialFlood,
  "pipe": async () => pipe()[0],
  "UDP socket": async () => packetsOf(await listenPacket("udp", "127.0.0.1:0")),
  "UDP socket with reuseAddress": async () =>
    packetsOf(await listenPacket("udp", "127.0.0.1:0", { reuseAddress: true })),
  "dialled UDP conn": async () => packetsOf(await dial("udp", "127.0.0.1:9")),
  "WebSocket": async () => viewOf(await dialWebSocket(`ws://${address}/`, { keepalive })),
};

function call(opened: Opened, name: string): void {
  const ignore = () => {};
  if (name === "accept") opened.accept!().catch(ignore);
  else if (name === "read") opened.readChunk!().catch(ignore);
  else if (name === "deadline") opened.setDeadline!(Date.now() + 3_600_000);
  else if (name === "ref") opened.ref!();
  else if (name === "unref") opened.unref!();
}

// No `await` at the top: it would fail a process that ends before it settles.
openers[what]!().then((opened) => {
  for (const name of calls.split(",")) call(opened, name);
  if (expected !== "held") return;
  const sayHeld = () => {
    console.log("held");
    process.exit();
  };
  setTimeout(sayHeld, 100).unref();
});
