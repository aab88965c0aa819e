/** The opening handshake failed. On the client it carries the server's answer, where there was one. */
export class HandshakeError extends Error {
  /** Always `"HandshakeError"`. */
  override readonly name = "HandshakeError";
  /** The HTTP status that was received or sent; 0 when there was none. */
  readonly status: number;
  /** On the client: the answer, with its headers and at most the first 1,024 bytes of its body. */
  readonly response: Response | null;

  /**
   * Makes one.
   *
   * @param message what failed
   * @param status the HTTP status; 0 when there was none
   * @param response on the client: the server's answer
   * @param cause what led to it
   */
  constructor(message: string, status: number, response?: Response | null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.response = response ?? null;
  }
}
