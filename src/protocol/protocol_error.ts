import type { CloseCode } from "./close_code.ts";

/** The peer broke RFC 6455, or a limit that has no error of its own. */
export class ProtocolError extends Error {
  /** Always `"ProtocolError"`. */
  override readonly name = "ProtocolError";
  /** What the peer was told in the close frame. */
  readonly closeCode: CloseCode;

  /**
   * Makes one.
   *
   * @param closeCode what the peer is told
   * @param reason what it did wrong
   */
  constructor(closeCode: CloseCode, reason: string) {
    super(`Cannot go on: ${reason}`);
    this.closeCode = closeCode;
  }
}

/** The peer sent a message beyond the read limit. It was told so with code 1009. */
export class MessageTooBigError extends Error {
  /** Always `"MessageTooBigError"`. */
  override readonly name = "MessageTooBigError";
  /** The largest message that was allowed, bytes. */
  readonly limit: number;

  /**
   * Makes one.
   *
   * @param limit the largest message that was allowed, bytes
   */
  constructor(limit: number) {
    super(`Cannot read the message: it is larger than ${limit} bytes`);
    this.limit = limit;
  }
}
