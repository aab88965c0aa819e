import type { FlushQueue } from "../net/flush_queue.ts";
import type { HubMember } from "./hub_member.ts";
import type { OverflowPolicy } from "./queue_policy.ts";

/** A member's queue was full, and messages were lost. */
export interface OverflowEvent<Data = unknown> {
  /** Whose queue. With the policy `close` it is no member any more. */
  readonly member: HubMember<Data>;
  /** What they were lost to. */
  readonly policy: OverflowPolicy;
  /** How many. */
  readonly messages: number;
  /** Bytes of their payloads. */
  readonly bytes: number;
}

type Losses = Map<OverflowPolicy, { messages: number; bytes: number }>;

/**
 * Tells of full queues at the end of the turn. What one member lost to one policy in a turn is one event: there are
 * never more than members, however much is broadcast, and a handler that broadcasts cannot call itself for ever.
 */
export class OverflowReports<Data> {
  readonly #flushQueue: FlushQueue;
  readonly #tell: (event: OverflowEvent<Data>) => void;
  #losses: Map<HubMember<Data>, Losses> = new Map();

  constructor(flushQueue: FlushQueue, tell: (event: OverflowEvent<Data>) => void) {
    this.#flushQueue = flushQueue;
    this.#tell = tell;
  }

  /** Takes a loss in. */
  add(member: HubMember<Data>, policy: OverflowPolicy, messages: number, bytes: number): void {
    let losses = this.#losses.get(member);
    if (losses === undefined) {
      losses = new Map();
      if (this.#losses.set(member, losses).size === 1) this.#flushQueue.add(this);
    }
    const loss = losses.get(policy);
    if (loss === undefined) losses.set(policy, { messages, bytes });
    else {
      loss.messages += messages;
      loss.bytes += bytes;
    }
  }

  /** The end of the turn. */
  flush(): void {
    const told = this.#losses;
    this.#losses = new Map();
    for (const [member, losses] of told) {
      for (const [policy, loss] of losses) this.#tell({ member, policy, ...loss });
    }
  }
}
