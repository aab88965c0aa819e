/** The opening handshake failed. On the client, the error has the server's response, if one came. */
export class HandshakeError extends Error {
  /** Always `"HandshakeError"`. */
  override readonly name = "HandshakeError";
  /** HTTP status that was received or sent; 0 without a response. */
  readonly status: number;
  /** On the client, the response, with its headers and at most the first 64 KiB of its body; otherwise `null`. */
  readonly response: Response | null;

  /**
   * Makes an error.
   *
   * @param message what failed
   * @param status HTTP status; 0 without a response
   * @param response on the client, the server's response
   * @param cause the error that made the handshake fail
   */
  constructor(message: string, status: number, response?: Response | null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.response = response ?? null;
  }
}
