import { joinHostPort } from "../net/addr.ts";
import { takeOver } from "../net/conn_socket.ts";
import type { Conn } from "../net/conn.ts";
import { dialOn } from "../net/dial.ts";
import { DeadlineExceededError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import { encodeBase64 } from "../bytes/base64.ts";
import {
  checkUpgradeResponse,
  encodeUpgradeRequest,
  parseWebSocketUrl,
  type WebSocketTarget,
} from "../protocol/client_handshake.ts";
import { HttpHeadError, type ResponseHead, ResponseHeadReader } from "../protocol/http_head.ts";
import { HandshakeError } from "./handshake_error.ts";
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings } from "./options.ts";
import { WebSocketConn } from "./web_socket_conn.ts";

/** How to dial a WebSocket. */
export interface WebSocketDialOptions extends WebSocketOptions {
  /** Gives up and rejects with the signal's reason. Has no effect once the connection is open. */
  signal?: AbortSignal;
  /** Sent with the handshake: cookies, authorization. The handshake's own cannot be set. */
  headers?: HeadersInit;
  /** The `Origin` to send. Default: none, as no browser asks. */
  origin?: string;
  /** Makes the transport: through a proxy, over a Unix socket, in memory. Default: TCP. */
  netDial?: (network: "tcp", address: string) => Promise<Conn>;
}

/** Body of a refusal that the error keeps, bytes. */
const KEPT_BODY = 1024;
/** Interim responses (1xx) to skip before giving up. */
const MAX_INTERIM = 8;

/** Dials a WebSocket. See `dialWebSocket` in mod.ts. */
export async function dialWebSocketOn(
  runtime: Runtime,
  url: string | URL,
  options: WebSocketDialOptions = {},
): Promise<WebSocketConn> {
  const settings = webSocketSettings(options);
  const target = parseWebSocketUrl(typeof url === "string" ? new URL(url) : url);
  const offer = {
    host: target.host,
    target: target.target,
    key: encodeBase64(runtime.random.bytes(16)),
    origin: options.origin,
    subprotocols: settings.subprotocols,
    headers: options.headers === undefined ? undefined : new Headers(options.headers),
  };
  // Before dialling: what is wrong with the arguments is said at once.
  const request = encodeUpgradeRequest(offer);
  const deadline = runtime.timers.now() + settings.handshakeTimeout;
  const conn = await connect(runtime, target, settings, options);
  try {
    conn.setDeadline(deadline);
    const { signal } = options;
    await conn.write(request, signal && { signal });
    const { head, rest } = await readResponse(conn, signal);
    const check = checkUpgradeResponse(head, offer);
    if (!check.ok) {
      throw new HandshakeError(check.reason, head.status, await readRefusal(conn, head, rest));
    }
    conn.setDeadline(null);
    const { subprotocol } = check;
    const detached = takeOver(conn);
    return new WebSocketConn({
      runtime,
      role: "client",
      netConn: conn,
      detached,
      settings,
      subprotocol,
      rest,
    });
  } catch (error) {
    conn.closeNow();
    throw handshakeError(error, target);
  }
}

function connect(
  runtime: Runtime,
  target: WebSocketTarget,
  settings: WebSocketSettings,
  options: WebSocketDialOptions,
): Promise<Conn> {
  const address = joinHostPort(target.hostname, target.port);
  if (options.netDial !== undefined) return options.netDial("tcp", address);
  if (target.secure) {
    throw new TypeError(
      "Cannot dial wss: this version has no TLS; give a netDial that makes a TLS connection",
    );
  }
  const { signal } = options;
  const timeout = settings.handshakeTimeout;
  return dialOn(runtime, "tcp", address, signal === undefined ? { timeout } : { timeout, signal });
}

interface ReceivedResponse {
  readonly head: ResponseHead;
  readonly rest: Uint8Array;
}

async function readResponse(conn: Conn, signal?: AbortSignal): Promise<ReceivedResponse> {
  let reader = new ResponseHeadReader();
  let interim = 0;
  for (let chunk = await conn.readChunk(signal && { signal }); chunk !== null;) {
    const head = reader.receive(chunk);
    if (head !== undefined && (head.status === 101 || head.status >= 200)) return { head, rest: reader.rest };
    if (head === undefined) {
      chunk = await conn.readChunk(signal && { signal });
    } else {
      // RFC 9110, 15.2: interim responses may come before the final one.
      if (++interim > MAX_INTERIM) {
        throw new HandshakeError("The server sent too many interim responses", head.status);
      }
      chunk = reader.rest;
      reader = new ResponseHeadReader();
      if (chunk.length === 0) chunk = await conn.readChunk(signal && { signal });
    }
  }
  throw new HandshakeError("The server closed the connection instead of answering", 0);
}

/** The server's refusal with the start of its body, as far as it comes. */
async function readRefusal(conn: Conn, head: ResponseHead, rest: Uint8Array): Promise<Response | null> {
  if (head.status < 200 || head.status > 599) return null;
  const body = new Uint8Array(Math.min(KEPT_BODY, Number(head.headers.get("content-length") ?? KEPT_BODY)));
  let length = 0;
  try {
    for (let chunk: Uint8Array | null = rest; chunk !== null && length < body.length;) {
      const part = chunk.subarray(0, body.length - length);
      body.set(part, length);
      length += part.length;
      if (length < body.length) chunk = await conn.readChunk();
    }
  } catch {
    // What came is what the error shows.
  }
  const hasNoBody = head.status === 204 || head.status === 205 || head.status === 304;
  const headers = new Headers([...head.headers]);
  return new Response(hasNoBody ? null : body.subarray(0, length), { status: head.status, headers });
}

/** What failed during the handshake, in the words of the handshake. */
function handshakeError(error: unknown, target: WebSocketTarget): unknown {
  if (error instanceof HttpHeadError) {
    return new HandshakeError(`The server's answer is malformed: ${error.message}`, 0, null, error);
  }
  if (error instanceof DeadlineExceededError) {
    return new DeadlineExceededError("handshake", "websocket", joinHostPort(target.hostname, target.port));
  }
  return error;
}
