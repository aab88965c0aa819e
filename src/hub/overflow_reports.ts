import type { FlushQueue } from "../net/flush_queue.ts";
import type { HubMember } from "./hub_member.ts";
import type { OverflowPolicy } from "./queue_policy.ts";

/** Messages that one member lost in one turn because its queue was full. */
export interface OverflowEvent<Data = unknown> {
  /** The member that lost them. Under the policy `close` the hub has removed it already. */
  readonly member: HubMember<Data>;
  /** The policy that dropped them. */
  readonly policy: OverflowPolicy;
  /** Messages that were lost. */
  readonly messages: number;
  /** Bytes of their payloads. */
  readonly bytes: number;
}

type Losses = Map<OverflowPolicy, { messages: number; bytes: number }>;

/**
 * Reports of full queues, at the end of the turn: one event for each member and policy. So the number of events is
 * bounded however much is broadcast, and a handler that broadcasts cannot cause itself endlessly within one turn.
 */
export class OverflowReports<Data> {
  readonly #flushQueue: FlushQueue;
  readonly #report: (event: OverflowEvent<Data>) => void;
  #losses: Map<HubMember<Data>, Losses> = new Map();

  constructor(flushQueue: FlushQueue, report: (event: OverflowEvent<Data>) => void) {
    this.#flushQueue = flushQueue;
    this.#report = report;
  }

  /** Adds a loss to the report of this turn. */
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

  /** Called at the end of the turn: reports all losses. */
  flush(): void {
    const reported = this.#losses;
    this.#losses = new Map();
    for (const [member, losses] of reported) {
      for (const [policy, loss] of losses) this.#report({ member, policy, ...loss });
    }
  }
}
