/** Close codes of RFC 6455, 7.4.1, and of the IANA registry that it created. */
export const CloseCode = {
  NormalClosure: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  /** Never on the wire: the close frame had no code. */
  NoStatusReceived: 1005,
  /** Never on the wire: the connection ended without a close frame. */
  AbnormalClosure: 1006,
  InvalidFramePayloadData: 1007,
  PolicyViolation: 1008,
  MessageTooBig: 1009,
  MandatoryExtension: 1010,
  InternalError: 1011,
  ServiceRestart: 1012,
  TryAgainLater: 1013,
  BadGateway: 1014,
  /** Never on the wire: the TLS handshake failed. */
  TlsHandshake: 1015,
} as const;

/** One of the registered close codes. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** Bound of the reason in a close frame, bytes of UTF-8: 125 of a control frame less 2 of the code (5.5). */
export const MAX_REASON_BYTES = 123;

/**
 * Whether a close frame may carry this code (7.4): 1000–1003, 1007–1014, and 3000–4999 for libraries and applications.
 */
export function isSendableCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
