import { CloseCode } from "../protocol/close_code.ts";

/** How a connection ended. */
export interface CloseInfo {
  /** The peer's close code; 1005 when it gave none, 1006 when it sent no close frame. */
  readonly code: number;
  /** The reason in the peer's close frame; mostly `""`. */
  readonly reason: string;
  /** Whether both sides sent a close frame (RFC 6455, 7.1.4). */
  readonly wasClean: boolean;
}

/** The connection is closed, and every message that came before was read. Go: gorilla's `CloseError`. */
export class CloseError extends Error implements CloseInfo {
  /** Always `"CloseError"`. */
  override readonly name = "CloseError";
  /** The peer's close code; see {@linkcode CloseInfo}. */
  readonly code: number;
  /** The reason in the peer's close frame; mostly `""`. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;

  /**
   * Makes the error of a closed connection.
   *
   * @param info how the connection ended
   * @param cause the error that broke the transport, if one did
   */
  constructor(info: CloseInfo, cause?: unknown) {
    const broken = cause instanceof Error ? ` (${cause.message})` : "";
    const why = info.reason === "" ? broken : ` ${info.reason}`;
    super(`The connection is closed: ${info.code}${why}`, cause === undefined ? undefined : { cause });
    this.code = info.code;
    this.reason = info.reason;
    this.wasClean = info.wasClean;
  }
}

/** The connection that each error told the end of; keys are errors that a connection made. */
const ended = new WeakMap<Error, object>();

/** Marks an error as that of a connection's end, and returns it. */
export function endOf<E extends Error>(connection: object, error: E): E {
  ended.set(error, connection);
  return error;
}

/** Whether the error tells the end of this connection, and not of another. */
export function isEndOf(connection: object, error: unknown): boolean {
  return error instanceof Error && ended.get(error) === connection;
}

/** Whether `error` is a {@linkcode CloseError} with one of these codes. Go: gorilla's `IsCloseError`. */
export function isCloseError(error: unknown, ...codes: number[]): error is CloseError {
  return error instanceof CloseError && codes.includes(error.code);
}

/** Whether `error` is a {@linkcode CloseError} with none of these codes. Go: gorilla's `IsUnexpectedCloseError`. */
export function isUnexpectedCloseError(error: unknown, ...expected: number[]): error is CloseError {
  return error instanceof CloseError && !expected.includes(error.code);
}

/** Whether an iteration ends without an error on this code: 1000, 1001, or none. */
export function isQuietClose(code: number): boolean {
  return code === CloseCode.NormalClosure || code === CloseCode.GoingAway ||
    code === CloseCode.NoStatusReceived;
}
