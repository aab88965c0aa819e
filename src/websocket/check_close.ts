import { wrongArgument } from "../bytes/check_argument.ts";
import { isSendableCloseCode, MAX_REASON_BYTES } from "../protocol/close_code.ts";

/**
 * Checks the code and the reason of a close frame.
 *
 * @throws {RangeError} when the code must not be sent (RFC 6455, 7.4) or the reason is too long
 * @throws {TypeError} when the code is not a number, or the reason not a string
 */
export function checkClose(code: number, reason: string): void {
  if (typeof code !== "number") {
    throw wrongArgument("close", "code", code, "a number; the reason is the argument after the code");
  }
  if (!isSendableCloseCode(code)) {
    throw new RangeError(`Cannot close: code ${code} must not be sent; use 1000, or one from 3000 to 4999`);
  }
  if (typeof reason !== "string") throw wrongArgument("close", "reason", reason, "a string");
  if (encoder.encode(reason).length > MAX_REASON_BYTES) {
    throw new RangeError(`Cannot close: the reason is longer than ${MAX_REASON_BYTES} bytes`);
  }
}

const encoder = new TextEncoder();
