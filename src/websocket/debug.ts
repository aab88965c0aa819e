import { callGuarded } from "../net/guarded_hook.ts";
import type { ConnectionPhase } from "./lifecycle.ts";

/** The connection that an event is about. */
export interface DebugSubject {
  /** A number that no other traced connection of this process has. */
  readonly conn: number;
  /** The side that this process has in the connection. */
  readonly role: "client" | "server";
  /** The far end's address; for a client before it is connected, the address that is dialled. */
  readonly remoteAddr: string;
}

/** An opening handshake was sent by a client, or read by a server. */
export interface HandshakeDebugEvent extends DebugSubject {
  /** The kind of event. */
  readonly type: "handshake";
  /** A client's URL, or the target of the request that a server read; without user, password and query. */
  readonly url: string;
  /** The request's header fields in order; the values of credentials and cookies are masked. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** A handshake was refused: by this side as a server, or by the server that a client dialled. */
export interface RefusalDebugEvent extends DebugSubject {
  /** The kind of event. */
  readonly type: "refused";
  /** The status of the response; 0 where there was none. */
  readonly status: number;
  /** Reason of the refusal, in words. */
  readonly reason: string;
}

/** A handshake was accepted. */
export interface OpenDebugEvent extends DebugSubject {
  /** The kind of event. */
  readonly type: "open";
  /** The subprotocol agreed on, or `""`. */
  readonly subprotocol: string;
  /** The extensions agreed on, as `Sec-WebSocket-Extensions` names them, or `""`. */
  readonly extensions: string;
}

/** A connection went from one phase of its life to the next. */
export interface PhaseDebugEvent extends DebugSubject {
  /** The kind of event. */
  readonly type: "phase";
  /** The phase that is over. */
  readonly from: ConnectionPhase;
  /** The phase that begins. */
  readonly to: ConnectionPhase;
  /** Cause of the change, in words. */
  readonly cause: string;
}

/** A control frame was sent or received, RFC 6455, 5.5. */
export interface ControlDebugEvent extends DebugSubject {
  /** The kind of event. */
  readonly type: "control";
  /** Direction of the frame. */
  readonly direction: "sent" | "received";
  /** Kind of the frame. */
  readonly frame: "ping" | "pong" | "close";
  /** Bytes of payload, 0 to 125. */
  readonly bytes: number;
  /** A close frame's code; 1005 for a frame without one, and for a ping or pong. */
  readonly code: number;
  /** A close frame's reason, or `""`. */
  readonly reason: string;
}

/** A connection is over. */
export interface EndDebugEvent extends DebugSubject {
  /** The kind of event. */
  readonly type: "ended";
  /** Whether the connection ended before the handshake was complete. */
  readonly early: boolean;
  /** The close code; 1006 where no close frame came. */
  readonly code: number;
  /** The close frame's reason, or `""`. */
  readonly reason: string;
  /** Whether the closing handshake was complete. */
  readonly wasClean: boolean;
  /** The error that ended the connection, such as a reset or a time-out; `null` for none. */
  readonly cause: Error | null;
}

/** Argument of the hook `onDebug`. Later versions may add types of events. */
export type DebugEvent =
  | HandshakeDebugEvent
  | RefusalDebugEvent
  | OpenDebugEvent
  | PhaseDebugEvent
  | ControlDebugEvent
  | EndDebugEvent;

/** A hook for debugging. Called synchronously, in the order of events; what it throws is printed and changes nothing. */
export type DebugHook = (event: DebugEvent) => void;

/** An event without the fields that the trace itself adds. */
type Untraced<Event extends DebugEvent> = Event extends DebugEvent ? Omit<Event, keyof DebugSubject> : never;

/** The number of the connection traced last. */
let lastConn = 0;

/** The events of one connection on their way to the hook. A connection that is not traced has none. */
export class DebugTrace {
  readonly #hook: DebugHook;
  readonly #conn: number = ++lastConn;
  readonly #role: "client" | "server";
  #remoteAddr: string;

  constructor(hook: DebugHook, role: "client" | "server", remoteAddr: string) {
    this.#hook = hook;
    this.#role = role;
    this.#remoteAddr = remoteAddr;
  }

  /** Sets the far end's address, once a client is connected. */
  connected(remoteAddr: string): void {
    this.#remoteAddr = remoteAddr;
  }

  /** Calls the hook. */
  emit(event: Untraced<DebugEvent>): void {
    const subject = { conn: this.#conn, role: this.#role, remoteAddr: this.#remoteAddr };
    callGuarded(() => this.#hook({ ...subject, ...event } as DebugEvent));
  }

  /** Reports a handshake, masked. */
  handshake(url: string, headers: Iterable<readonly [string, string]>): void {
    this.emit({ type: "handshake", url: maskUrl(url), headers: Array.from(headers, maskField) });
  }

  /** Reports a ping or a pong. */
  control(direction: "sent" | "received", frame: "ping" | "pong", payload: Uint8Array): void {
    this.emit({ type: "control", direction, frame, bytes: payload.length, code: 1005, reason: "" });
  }

  /** Reports a close frame. */
  closeFrame(direction: "sent" | "received", code: number, reason: string): void {
    const bytes = code === 1005 ? 0 : 2 + utf8Length(reason);
    this.emit({ type: "control", direction, frame: "close", bytes, code, reason });
  }

  /** Reports that a connection ended before its handshake was complete. */
  endedEarly(cause: Error | null): void {
    this.emit({ type: "ended", early: true, code: 1006, reason: "", wasClean: false, cause });
  }
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Stands in place of what is masked. */
const MASK = "***";

/** Fields whose values let their reader in, in lower case; subprotocols are often used for tokens by pages. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "cookie2",
  "proxy-authorization",
  "sec-websocket-protocol",
  "set-cookie",
]);

/** Parts of names that fields with tokens have, such as `X-Auth-Token` and `X-Api-Key`. */
const SECRET_NAME = /token|secret|password|session|api-?key|auth|credential|csrf|jwt/i;

/**
 * A URL, or a request's target, that can be shown: user, password, query and fragment are masked where there are any.
 *
 * @param url any text; one that is not a URL is masked by the same marks
 */
export function maskUrl(url: string): string {
  return url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, `$1${MASK}@`)
    .replace(/[?#].*$/s, (rest) => `${rest[0]}${MASK}`);
}

/** A header field that can be shown: its value is masked where its name says that it is a credential. */
export function maskField([name, value]: readonly [string, string]): readonly [string, string] {
  const lower = name.toLowerCase();
  if (SECRET_FIELDS.has(lower) || SECRET_NAME.test(lower)) return [name, MASK];
  return lower === "referer" || lower === "origin" ? [name, maskUrl(value)] : [name, value];
}
