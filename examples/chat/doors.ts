/** The two doors of the chat: WebSocket for browsers, lines of JSON over TCP for terminals. Both lead to one hub. */

import {
  codecEncoding,
  type Conn,
  ConnMember,
  DeadlineExceededError,
  Framed,
  FrameFormatError,
  FrameTooLongError,
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
const lines = codecEncoding(new LinesCodec({ maxLength: 1 << 17 }), (message) => message.text());

/**
 * The beginning of an HTTP request, as any web page can make a browser send it: by a form whose body has lines of JSON.
 * A TLS handshake, which can carry bytes of a page's choice too, is no UTF-8 text.
 */
const HTTP_REQUEST = /^[!-~]+ .* HTTP\/\d/;

async function serveTerminal(chat: Chat, conn: Conn, joinTimeout: number): Promise<void> {
  const member = new ConnMember(conn, lines);
  const guest = chat.enter(member);
  const framed = new Framed(conn, new LinesCodec({ maxLength: MAX_MESSAGE }));
  conn.setReadDeadline(Date.now() + joinTimeout);
  guest.greet();
  try {
    for (let first = true; await receiveLine(guest, framed, first); first = false) {
      if (guest.joined) conn.setReadDeadline(null);
    }
  } catch (error) {
    // The terminal has left, did not join in time, or sent what cannot be a guest's.
    const why = whyEnded(error);
    if (why !== null) guest.refuse(why);
  } finally {
    guest.leave();
    await member.close();
  }
}

/**
 * Reads and handles one line; `false` at the end. A line that is not UTF-8 is answered with an error. The first line
 * decides whether this is a guest: rejects if not, so that the lines after it are not obeyed.
 */
async function receiveLine(guest: Guest, framed: Framed<string>, first: boolean): Promise<boolean> {
  try {
    const line = await framed.read();
    if (line === null) return false;
    if (first && HTTP_REQUEST.test(line)) throw new NotAGuestError("This door is not for browsers");
    // Blank lines mean nothing.
    if (line.trim() !== "") await receiveJson(guest, line);
  } catch (error) {
    if (first || !(error instanceof FrameFormatError)) throw error;
    guest.refuse("That is not UTF-8");
  }
  return true;
}

class NotAGuestError extends Error {}

/** What a terminal is told before its connection ends; `null` when there is nobody to tell. */
function whyEnded(error: unknown): string | null {
  if (error instanceof NotAGuestError) return error.message;
  if (error instanceof FrameTooLongError) return `A message must have at most ${MAX_MESSAGE} bytes`;
  if (error instanceof FrameFormatError) return "That is not UTF-8";
  if (error instanceof DeadlineExceededError) return "Join a room in time";
  return null;
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
