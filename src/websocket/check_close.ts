import { isSendableCloseCode, MAX_REASON_BYTES } from "../protocol/close_code.ts";

/**
 * Checks the code and the reason of a close frame.
 *
 * @throws {RangeError} when the code must not be sent (RFC 6455, 7.4) or the reason is too long
 * @throws {TypeError} when the reason is not a string
 */
export function checkClose(code: number, reason: string): void {
  if (!isSendableCloseCode(code)) throw new RangeError(`Cannot close: code ${code} must not be sent`);
  if (typeof reason !== "string") throw new TypeError("Cannot close: the reason is not a string");
  if (encoder.encode(reason).length > MAX_REASON_BYTES) {
    throw new RangeError(`Cannot close: the reason is longer than ${MAX_REASON_BYTES} bytes`);
  }
}

const encoder = new TextEncoder();
