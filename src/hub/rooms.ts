import type { Member } from "./member.ts";
import type { QueuePolicy } from "./queue_policy.ts";
import { labelOf, QueueTerms } from "./queue_terms.ts";

const NO_MEMBERS: ReadonlySet<never> = new Set<never>();

/** The rooms of a hub that have members, and the queue policies of those rooms. */
export class Rooms<Data> {
  readonly #rooms: Map<string, Set<Member<Data>>> = new Map();
  /** Terms for the messages of each room that has a policy of its own. */
  readonly #terms: Map<string, QueueTerms> = new Map();
  /** Number of the last search in several rooms; a member keeps the number of the search that found it last. */
  #search = 0;

  /** Rooms with members. */
  get count(): number {
    return this.#rooms.size;
  }

  /** Names of the rooms with members. */
  get names(): Iterable<string> {
    return this.#rooms.keys();
  }

  /** Members of a room, in the order in which they joined. */
  membersOf(room: string): ReadonlySet<Member<Data>> {
    return this.#rooms.get(room) ?? NO_MEMBERS;
  }

  /** Members of any of the rooms, each once. */
  membersOfAny(rooms: readonly string[]): Iterable<Member<Data>> {
    if (rooms.length === 1) return this.membersOf(rooms[0]!);
    const search = ++this.#search;
    const found: Member<Data>[] = [];
    for (const room of rooms) {
      for (const member of this.membersOf(room)) {
        if (member.foundBy === search) continue;
        member.foundBy = search;
        found.push(member);
      }
    }
    return found;
  }

  /** Adds a member to a room; returns whether it is the first. */
  add(member: Member<Data>, room: string): boolean {
    const members = this.#rooms.get(room);
    if (members !== undefined) {
      members.add(member);
      return false;
    }
    this.#rooms.set(room, new Set([member]));
    return true;
  }

  /** Removes a member from a room; returns whether it was the last, with which the room's policy ends. */
  remove(member: Member<Data>, room: string): boolean {
    const members = this.#rooms.get(room)!;
    members.delete(member);
    if (members.size > 0) return false;
    this.#rooms.delete(room);
    this.#terms.delete(room);
    return true;
  }

  /** Sets the policy of a room that has members. */
  setPolicy(room: string, policy: QueuePolicy): void {
    this.#terms.set(room, new QueueTerms(null, policy));
  }

  /** Terms of a broadcast, `null` for most: the key, and the room's policy where the broadcast is for one room. */
  termsOf(rooms: readonly string[] | null, key: string | null): QueueTerms | null {
    const room = rooms?.length === 1 ? rooms[0]! : null;
    const terms = room === null || this.#terms.size === 0 ? null : this.#terms.get(room) ?? null;
    return key === null ? terms : new QueueTerms(labelOf(room, key), terms?.policy ?? null);
  }
}
