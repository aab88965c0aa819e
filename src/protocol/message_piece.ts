/**
 * Traits of a piece of a message, one bit each; a piece has any number, joined by `|`. A piece without `Text` is
 * binary.
 */
export const PieceFlag = {
  /** The message is text, RFC 6455, 5.6. */
  Text: 1,
  /** The message begins with this piece. */
  First: 2,
  /** The message ends with this piece. */
  Last: 4,
  /** Both `First` and `Last`: the piece is the whole message. */
  Whole: 6,
  /** The message is still compressed: its first frame has RSV1 set, RFC 7692, 6. Only a `FrameReader` sets it. */
  Compressed: 8,
  /** The bytes are valid only during the call; without this flag, they may be kept where they lie. */
  Lent: 16,
} as const;

/** Receives the payloads of messages. */
export interface MessageDataHandler {
  /**
   * Called for each piece of a message, in order; the pieces of two messages never mix. The piece is `chunk[start, end)`,
   * unmasked; only a last piece may be empty.
   *
   * @param start where the piece begins; what lies before it may be another message
   * @param end where the piece ends, exclusive
   * @param flags bits of {@linkcode PieceFlag}
   */
  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void;
}

/** Whether the flags are those of a whole message. */
export function isWhole(flags: number): boolean {
  return (flags & PieceFlag.Whole) === PieceFlag.Whole;
}
