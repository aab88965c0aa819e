/** The two doors of the chat: WebSocket for browsers, lines of JSON over TCP for terminals. Both lead to one hub. */

import {
  codecEncoding,
  type Conn,
  ConnMember,
  DeadlineExceededError,
  Framed,
  FrameFormatError,
  JsonLinesCodec,
  LinesCodec,
  listen,
  listenAndServe,
  type Listener,
  type Server,
  type WebSocketConn,
} from "../../mod.ts";
import type { Chat, Guest } from "./chat.ts";
import { hubMetrics, METRICS_TYPE } from "./metrics.ts";

/** Upper bound of a guest's message, bytes: room for 2,000 characters, however JSON escapes them. */
const MAX_MESSAGE = 16_384;

/** Options of the doors. */
export interface DoorOptions {
  /** Milliseconds within which a new guest must join a room. Default: 60,000. */
  joinTimeout?: number;
  /** Milliseconds within which the head of an HTTP request must arrive. Default: 10,000. */
  handshakeTimeout?: number;
}

const JOIN_TIMEOUT = 60_000;

/** Opens the door for browsers: the page at `/`, the WebSocket at `/ws`, and the metrics at `/metrics`. */
export function openWebDoor(
  chat: Chat,
  address: string,
  page: string,
  { joinTimeout = JOIN_TIMEOUT, handshakeTimeout = 10_000 }: DoorOptions = {},
): Promise<Server> {
  return listenAndServe("tcp", address, {
    handshakeTimeout,
    readLimit: MAX_MESSAGE,
    upgrade: (request) => pathOf(request) === "/ws" ? undefined : notFound(),
    fetch: (request) => {
      const path = pathOf(request);
      return path === "/" ? pageResponse(page) : path === "/metrics" ? metricsResponse(chat) : notFound();
    },
    websocket: (conn) => serveBrowser(chat, conn, joinTimeout),
  });
}

async function serveBrowser(chat: Chat, conn: WebSocketConn, joinTimeout: number): Promise<void> {
  const guest = chat.enter(conn);
  conn.setReadDeadline(Date.now() + joinTimeout);
  try {
    for await (const message of conn) {
      if (message.type === "text") await receiveJson(guest, message.data);
      else guest.refuse("Send text, not binary");
      if (guest.joined) conn.setReadDeadline(null);
    }
  } catch (error) {
    if (!(error instanceof DeadlineExceededError)) throw error;
    await conn.close(1008, "Join a room in time");
  } finally {
    guest.leave();
  }
}

async function receiveJson(guest: Guest, text: string): Promise<void> {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return guest.refuse("That is not JSON");
  }
  await guest.receive(message);
}

/** An open door for terminals. */
export interface LineDoor {
  readonly listener: Listener;
  /** Closes the door and its connections. */
  close(): Promise<void>;
}

/** Opens the door for terminals: each message is a line of JSON. */
export async function openLineDoor(
  chat: Chat,
  address: string,
  { joinTimeout = JOIN_TIMEOUT }: DoorOptions = {},
): Promise<LineDoor> {
  const listener = await listen("tcp", address);
  const conns = new Set<Conn>();
  const serving = (async () => {
    for await (const conn of listener) {
      conns.add(conn);
      serveTerminal(chat, conn, joinTimeout).finally(() => conns.delete(conn));
    }
  })();
  return {
    listener,
    async close() {
      await listener.close();
      await serving;
      await Promise.all(Array.from(conns, (conn) => conn.close()));
    },
  };
}

/** Codec of outgoing lines. The hub's messages are JSON already; the welcome to a full room is a long one. */
const lines = codecEncoding(new LinesCodec({ maxLength: 1 << 24 }), (message) => message.text());

async function serveTerminal(chat: Chat, conn: Conn, joinTimeout: number): Promise<void> {
  const member = new ConnMember(conn, lines);
  const guest = chat.enter(member);
  const framed = new Framed(conn, new JsonLinesCodec({ maxLength: MAX_MESSAGE }));
  conn.setReadDeadline(Date.now() + joinTimeout);
  try {
    while (await receiveLine(guest, framed)) {
      if (guest.joined) conn.setReadDeadline(null);
    }
  } catch {
    // The terminal has left, did not join in time, or sent too long a line, and has been sent an error where possible.
  } finally {
    guest.leave();
    await member.close();
  }
}

/** Reads and handles one line; `false` at the end. A line that is not JSON is answered with an error. */
async function receiveLine(guest: Guest, framed: Framed<unknown>): Promise<boolean> {
  try {
    const message = await framed.read();
    if (message === null) return false;
    await guest.receive(message);
  } catch (error) {
    guest.refuse(error instanceof Error ? error.message : "That is not a line of JSON");
    if (!(error instanceof FrameFormatError)) throw error;
  }
  return true;
}

function pathOf(request: Request): string {
  return new URL(request.url).pathname;
}

function notFound(): Response {
  return new Response("Not found\n", {
    status: 404,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
}

function metricsResponse(chat: Chat): Response {
  return new Response(hubMetrics(chat.hub.stats), {
    headers: { "content-type": METRICS_TYPE, "cache-control": "no-store" },
  });
}

function pageResponse(page: string): Response {
  return new Response(page, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    },
  });
}
