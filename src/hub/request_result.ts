/**
 * Why a member's request was refused.
 *
 * - `"forbidden"`: the hook did not answer `true`, threw, rejected or took too long
 * - `"not-joined"`: the member is not in the room that it would publish to
 * - `"rate"`: the rate limit is exceeded
 * - `"busy"`: too many of the member's requests wait for the hook
 * - `"gone"`: the hub has removed the member
 */
export type RefusalReason = "forbidden" | "not-joined" | "rate" | "busy" | "gone";

/** The result of a member's request. */
export interface RequestResult {
  /** Whether the request was done. */
  readonly accepted: boolean;
  /** Why the request was refused; `null` when it was accepted. */
  readonly reason: RefusalReason | null;
  /** For a publish: queues of this hub that accepted the message. 0 for a join. */
  readonly receivers: number;
}
