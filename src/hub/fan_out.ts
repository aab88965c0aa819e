import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { EventQueue } from "./event_queue.ts";
import type { HubCounters } from "./hub_counters.ts";
import type { HubMember } from "./hub_member.ts";
import type { BroadcastOptions } from "./hub_options.ts";
import { checkExcept, isExcepted, type Member } from "./member.ts";
import type { QueueTerms } from "./queue_terms.ts";
import type { Rooms } from "./rooms.ts";
import type { SendQueue } from "./send_queue.ts";

type Receivers<Data> = Pick<BroadcastOptions<Data>, "except" | "filter">;

/** Queues a message for its receivers among the members of a hub. */
export class FanOut<Data> {
  readonly #members: ReadonlySet<Member<Data>>;
  readonly #rooms: Rooms<Data>;
  readonly #events: EventQueue;
  readonly #counters: HubCounters;

  constructor(
    members: ReadonlySet<Member<Data>>,
    rooms: Rooms<Data>,
    events: EventQueue,
    counters: HubCounters,
  ) {
    this.#members = members;
    this.#rooms = rooms;
    this.#events = events;
    this.#counters = counters;
  }

  /**
   * Queues a message for each receiver; returns how many queues accepted it.
   *
   * @param rooms names of the rooms whose members are the receivers; `null` for all members
   * @throws {TypeError} when `except` is neither a member of a hub nor a set; errors of the filter pass
   */
  queue(
    rooms: readonly string[] | null,
    message: PreparedMessage,
    key: string | null,
    { except, filter }: Receivers<Data>,
  ): number {
    checkExcept(except);
    this.#counters.messages++;
    let members = rooms === null ? this.#members : this.#rooms.membersOfAny(rooms);
    if (filter !== undefined) members = select(members, rooms, except, filter);
    const terms = this.#rooms.termsOf(rooms, key);
    // Handlers wait until all queues have the message: members come and go only when a socket fails or a queue is full.
    this.#events.hold();
    const accepted = terms === null && except === undefined
      ? pushAll(members, message)
      : pushOthers(members, message, terms, except);
    this.#counters.countSent(accepted, message.payload.length);
    this.#events.release();
    return accepted;
  }
}

/** Members that the filter accepts. The filter is application code: members that left while it ran are dropped. */
function select<Data>(
  members: Iterable<Member<Data>>,
  rooms: readonly string[] | null,
  except: BroadcastOptions<Data>["except"],
  filter: (member: HubMember<Data>) => boolean,
): Member<Data>[] {
  const asked = except === undefined
    ? [...members]
    : [...members].filter((member) => !isExcepted(member, except));
  const wanted = asked.filter((member) => filter(member));
  return rooms === null ? wanted : wanted.filter((member) => rooms.some((room) => member.rooms.has(room)));
}

/** The loop of most broadcasts, kept to the one step for each member. */
function pushAll(members: Iterable<SendQueue>, message: PreparedMessage): number {
  let accepted = 0;
  for (const member of members) {
    if (member.push(message)) accepted++;
  }
  return accepted;
}

function pushOthers<Data>(
  members: Iterable<Member<Data>>,
  message: PreparedMessage,
  terms: QueueTerms | null,
  except: BroadcastOptions<Data>["except"],
): number {
  let accepted = 0;
  for (const member of members) {
    if (except !== undefined && isExcepted(member, except)) continue;
    if (terms === null ? member.push(message) : member.pushOnTerms(message, terms)) accepted++;
  }
  return accepted;
}
