import { wrongArgument } from "../bytes/check_argument.ts";
import { joinHostPort } from "../net/addr.ts";
import { takeOver } from "../net/conn_socket.ts";
import type { Conn, WaitOptions } from "../net/conn.ts";
import { dialOn } from "../net/dial.ts";
import { dialTlsOn, upgradeTlsOn } from "../net/dial_tls.ts";
import { DeadlineExceededError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import { Alarm } from "../net/timer_queue.ts";
import { isTlsConn, type TlsConfig } from "../net/tls.ts";
import { encodeBase64 } from "../bytes/base64.ts";
import {
  checkUpgradeResponse,
  encodeUpgradeRequest,
  parseWebSocketUrl,
  type WebSocketTarget,
} from "../protocol/client_handshake.ts";
import { type HeadLimits, HttpHeadError, type ResponseHead, ResponseHeadReader } from "../http/head.ts";
import { checkDeflateResponse, offerDeflate } from "../protocol/deflate_negotiation.ts";
import { compression } from "./compression.ts";
import { DebugTrace } from "./debug.ts";
import { HandshakeError } from "./handshake_error.ts";
import { HandshakeResponse } from "./handshake_response.ts";
import type { HeadersLike } from "./headers_like.ts";
import { readRefusal } from "./refusal.ts";
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings } from "./options.ts";
import { WebSocketConn } from "./web_socket_conn.ts";

/** Options of `dialWebSocket`. */
export interface WebSocketDialOptions extends WebSocketOptions {
  /** Cancels the handshake, which then rejects with the signal's reason. No effect once the connection is open. */
  signal?: AbortSignal;
  /** Further fields of the request, such as cookies or authorization. Fields that the handshake sets are refused. */
  headers?: HeadersLike;
  /**
   * Value of the `User-Agent` field, unless `headers` has one; `false` for none. Default: `"jackfield"`.
   */
  userAgent?: string | false;
  /** Value of the `Origin` field. Default: none, because the client is not a page in a browser. */
  origin?: string;
  /** TLS options for `wss:`. */
  tls?: TlsConfig;
  /**
   * Makes the connection below: through a proxy, over a Unix socket, in memory. For `wss:`, TLS is set up on it
   * unless it is a TLS connection already. Default: TCP to the host of the URL.
   */
  netDial?: (network: "tcp", address: string) => Promise<Conn>;
}

/** Bound of the wait for the beginning of a refusal's body, milliseconds. */
const REFUSAL_TIME = 1_000;
/** Application protocol to negotiate in TLS (ALPN), as browsers do. */
const ALPN_PROTOCOLS = ["http/1.1"];
/** Bound of the interim responses (1xx) before the final one. */
const MAX_INTERIM = 8;

/** Opens a WebSocket on the given runtime. See `dialWebSocket` in entries/websocket.ts. */
export async function dialWebSocketOn(
  runtime: Runtime,
  url: string | URL,
  options: WebSocketDialOptions = {},
): Promise<WebSocketConn> {
  const settings = webSocketSettings(options);
  const target = parseWebSocketUrl(parseUrl(url));
  const { compression: wanted } = settings;
  const deflate = wanted && runtime.adapter.deflate;
  const offer = {
    host: target.host,
    target: target.target,
    key: encodeBase64(runtime.random.bytes(16)),
    origin: options.origin,
    subprotocols: settings.subprotocols,
    extensions: deflate === null ? [] : [offerDeflate(wanted!.wishes)],
    headers: requestHeaders(options),
  };
  // Encoded before dialling, so that an invalid option is refused at once.
  const request = encodeUpgradeRequest(offer);
  options.signal?.throwIfAborted();
  const deadline = runtime.timers.now() + settings.handshakeTimeout;
  const { onDebug } = settings;
  const address = joinHostPort(target.hostname, target.port);
  const trace = onDebug === null ? null : new DebugTrace(onDebug, "client", address);
  const conn = await connect(runtime, target, settings, deadline, options).catch((error) => {
    trace?.endedEarly(error);
    throw error;
  });
  try {
    trace?.connected(String(conn.remoteAddr));
    trace?.handshake(String(url), requestFields(request));
    conn.setDeadline(runtime.timers.toWall(deadline));
    const wait = options.signal && { signal: options.signal };
    await conn.write(request, wait);
    const { head, rest } = await readResponse(conn, settings.headLimits, wait);
    const check = checkUpgradeResponse(head, offer);
    if (!check.ok) {
      trace?.emit({ type: "refused", status: head.status, reason: check.reason });
      // Only the part of the body that comes soon is read.
      const { timers } = runtime;
      conn.setReadDeadline(timers.toWall(Math.min(deadline, timers.now() + REFUSAL_TIME)));
      throw new HandshakeError(check.reason, head.status, await readRefusal(conn, head, rest, wait));
    }
    const { subprotocol, extensions } = check;
    const agreed = extensions.length === 0 ? null : checkDeflateResponse(extensions, wanted!.wishes);
    if (agreed === null && extensions.length > 0) {
      throw new HandshakeError(
        "The server's permessage-deflate parameters do not match the offer",
        head.status,
      );
    }
    const detached = takeOver(conn);
    return new WebSocketConn({
      runtime,
      role: "client",
      netConn: conn,
      detached,
      settings,
      subprotocol,
      compression: agreed && compression(deflate!, "client", agreed, wanted!),
      rest,
      trace,
      response: new HandshakeResponse(head),
    });
  } catch (error) {
    conn.closeNow();
    const failure = handshakeError(error, target, settings.handshakeTimeout);
    trace?.endedEarly(failure instanceof Error ? failure : null);
    throw failure;
  }
}

function parseUrl(url: string | URL): URL {
  if (url instanceof URL) return url;
  // A URL of another realm is no instance of this one's class.
  const isUrl = typeof url === "string" || typeof (url as URL | null)?.href === "string";
  if (!isUrl) throw wrongArgument("connect", "url", url, 'a string such as "ws://localhost:8080/", or a URL');
  const text = String(url);
  if (URL.canParse(text)) return new URL(text);
  const hint = text.includes("://") ? "" : '; write the scheme and the host, as in "ws://localhost:8080/"';
  throw new SyntaxError(`Cannot connect: ${JSON.stringify(withoutSecrets(text))} is not a valid URL${hint}`);
}

/**
 * The text of a URL up to its query, or only its scheme where it may have a user and a password: errors end up in logs,
 * and the parts of a URL that is not valid cannot be told apart for sure.
 */
function withoutSecrets(url: string): string {
  if (url.includes("@")) return `${/^(wss?|https?):/i.exec(url)?.[0] ?? ""}…`;
  return url.replace(/[?#][^]*/, "?…");
}

/** The fields that the application adds. */
function requestHeaders({ headers, userAgent = "jackfield" }: WebSocketDialOptions): [string, string][] {
  const fields: [string, string][] = headers === undefined ? [] : [...new Headers(headers)];
  const named = fields.some(([name]) => name === "user-agent");
  if (userAgent !== false && !named) fields.push(["User-Agent", userAgent]);
  return fields;
}

async function connect(
  runtime: Runtime,
  target: WebSocketTarget,
  settings: WebSocketSettings,
  deadline: number,
  options: WebSocketDialOptions,
): Promise<Conn> {
  const address = joinHostPort(target.hostname, target.port);
  const { signal, netDial } = options;
  const tls = { nextProtos: ALPN_PROTOCOLS, serverName: target.hostname, ...options.tls };
  const limits = signal === undefined ? {} : { signal };
  if (netDial === undefined) {
    const timed = { ...limits, timeout: settings.handshakeTimeout };
    if (!target.secure) return await dialOn(runtime, "tcp", address, timed);
    return await dialTlsOn(runtime, "tcp", address, { ...timed, tls });
  }
  const expired = () => new DeadlineExceededError("dial", "websocket", address);
  const conn = await within(runtime, deadline, expired, signal, netDial("tcp", address));
  if (!target.secure || isTlsConn(conn)) return conn;
  const handshakeTimeout = Math.max(1, deadline - runtime.timers.now());
  return await upgradeTlsOn(runtime, conn, { ...limits, handshakeTimeout, tls });
}

/** The result of `dialling`, if it comes before the deadline and the signal. A later connection is closed. */
function within(
  runtime: Runtime,
  deadline: number,
  expired: () => Error,
  signal: AbortSignal | undefined,
  dialling: Promise<Conn>,
): Promise<Conn> {
  return new Promise((resolve, reject) => {
    let waiting = true;
    const end = () => {
      waiting = false;
      runtime.timers.clear(alarm);
      signal?.removeEventListener("abort", onAbort);
    };
    const giveUp = (reason: unknown) => {
      end();
      reject(reason);
    };
    const onAbort = () => giveUp(signal!.reason);
    const alarm = new Alarm(() => giveUp(expired()));
    runtime.timers.set(alarm, deadline);
    signal?.addEventListener("abort", onAbort);
    dialling.then((conn) => {
      if (!waiting) return conn.closeNow();
      end();
      resolve(conn);
    }, giveUp);
  });
}

/** The fields of a request's head that was encoded here. */
function requestFields(request: Uint8Array): [name: string, value: string][] {
  const lines = new TextDecoder().decode(request).split("\r\n").slice(1, -2);
  return lines.map((line) => {
    const colon = line.indexOf(": ");
    return [line.slice(0, colon), line.slice(colon + 2)];
  });
}

interface ReceivedResponse {
  readonly head: ResponseHead;
  readonly rest: Uint8Array;
}

async function readResponse(
  conn: Conn,
  limits: HeadLimits | null,
  wait?: WaitOptions,
): Promise<ReceivedResponse> {
  let reader = new ResponseHeadReader(limits);
  let interim = 0;
  for (let chunk: Uint8Array | null = await conn.readChunk(wait); chunk !== null;) {
    const head = reader.receive(chunk);
    if (head !== undefined && (head.status === 101 || head.status >= 200)) return { head, rest: reader.rest };
    if (head === undefined) {
      chunk = await conn.readChunk(wait);
    } else {
      // RFC 9110, 15.2: interim responses may come before the final one.
      if (++interim > MAX_INTERIM) {
        throw new HandshakeError("The server sent too many interim responses", head.status);
      }
      chunk = reader.rest;
      reader = new ResponseHeadReader(limits);
      if (chunk.length === 0) chunk = await conn.readChunk(wait);
    }
  }
  throw new HandshakeError("The server closed the connection before it answered", 0);
}

/** The error to throw for an error during the handshake. */
function handshakeError(error: unknown, target: WebSocketTarget, timeout: number): unknown {
  if (error instanceof HttpHeadError) {
    return new HandshakeError(`The server's answer is malformed: ${error.message}`, 0, null, error);
  }
  if (error instanceof DeadlineExceededError) {
    const addr = joinHostPort(target.hostname, target.port);
    const why = `the server did not answer within ${timeout / 1000} s (handshakeTimeout)`;
    return new DeadlineExceededError("handshake", "websocket", addr, why);
  }
  return error;
}
