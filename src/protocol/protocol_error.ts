import type { CloseCode } from "./close_code.ts";

/** The peer broke RFC 6455, RFC 7692, or a limit without an error class of its own. The connection was closed with a code. */
export class ProtocolError extends Error {
  /** Always `"ProtocolError"`. */
  override readonly name = "ProtocolError";
  /** The code of the close frame that was sent to the peer. */
  readonly closeCode: CloseCode;
  /** Fault in words, as in the close frame that was sent to the peer. */
  readonly reason: string;

  /**
   * Makes the error of a fault.
   *
   * @param closeCode the code of the close frame for the peer
   * @param reason what is wrong, as in that close frame
   */
  constructor(closeCode: CloseCode, reason: string) {
    super(`Cannot read from the peer: ${reason}`);
    this.closeCode = closeCode;
    this.reason = reason;
  }
}

/** The peer sent a message larger than the read limit, or than the engine can hold. The connection was closed with 1009. */
export class MessageTooBigError extends Error {
  /** Always `"MessageTooBigError"`. */
  override readonly name = "MessageTooBigError";
  /** The read limit, bytes. */
  readonly limit: number;
  /** The code of the close frame that was sent to the peer: 1009. */
  readonly closeCode: CloseCode = 1009;
  /** Fault in words, as in the close frame that was sent to the peer. */
  readonly reason: string;

  /**
   * Makes the error of a message that is too large.
   *
   * @param limit the read limit, bytes
   * @param reason what is wrong, as in the close frame. Default: the message is larger than the limit
   */
  constructor(limit: number, reason = `a message is larger than ${limit} bytes`) {
    super(`Cannot read the message: ${reason.replace(/^a message/, "it")}`);
    this.limit = limit;
    this.reason = reason;
  }
}
