/** The chat itself: guests, rooms and rules, independent of how guests are connected. */

import {
  type DrainOptions,
  type DrainReport,
  Hub,
  type HubMember,
  type HubOptions,
  type MemberSocket,
  type PublishOptions,
  type QueueOptions,
  type RefusalReason,
} from "../../mod.ts";
import { normalName } from "./names.ts";
import { encodeMessage } from "./wire.ts";

const MAX_NAME = 32;
const MAX_ROOM = 64;
const MAX_TEXT = 2000;
/**
 * Upper bound of the names in a welcome. Without one, the welcome to a full room would be longer than a guest's queue,
 * and end the guest. 500 names have at most 66 KB.
 */
const MAX_LISTED = 500;

/** Options of the chat. */
export interface ChatOptions {
  /** Limit of a guest's joins, texts and typing notices together. Default: 10 a second, 30 at once. */
  rateLimit?: NonNullable<HubOptions["rateLimit"]>;
  /** Called with errors that no call can report. Default: they are ignored. */
  onError?: (error: unknown) => void;
}

/**
 * All rooms of the chat.
 *
 * Each room of the chat is two rooms of the hub. Texts go to the room of that name, with the queue policy `close`: a
 * guest receives all of them, or is disconnected. Typing notices go to a second room, with the policy `coalesce`: only
 * the last notice of each guest is queued, and none in a queue that is already long. So no notice makes a slow reader
 * lose a text or its connection.
 */
export class Chat {
  readonly hub: Hub<Guest>;
  #ending = false;

  constructor({ rateLimit = { rate: 10, burst: 30 }, onError = () => {} }: ChatOptions = {}) {
    this.hub = new Hub<Guest>({
      rateLimit,
      onError,
      roomQueue: (room) => isNoticesRoom(room) ? NOTICES_QUEUE : undefined,
      onJoin: (member, room) => this.#onJoin(member, room),
      onLeave: (member, room) => this.#onLeave(member, room),
    });
  }

  /** Adds a guest that has connected. */
  enter(socket: MemberSocket): Guest {
    return new Guest(this.hub, socket);
  }

  /** Disconnects all guests, a batch at a time, and refuses new ones. */
  drain(options: DrainOptions): Promise<DrainReport> {
    this.#ending = true;
    return this.hub.drain(options);
  }

  #onJoin(member: HubMember<Guest>, room: string): void {
    if (isNoticesRoom(room)) return;
    const members = this.hub.room(room);
    const names = listed(members, member);
    // JSON leaves out what is undefined.
    const more = members.size > names.length ? members.size - names.length : undefined;
    member.send(encodeMessage({ type: "welcome", room, members: names, more }));
    members.broadcast(encodeMessage({ type: "joined", name: member.data.name }), { except: member });
  }

  /**
   * Called whenever a guest leaves a room: by joining another, because its connection ended, or because its queue was
   * full.
   */
  #onLeave(member: HubMember<Guest>, room: string): void {
    // While all guests are being disconnected, single departures are not announced.
    if (this.#ending || isNoticesRoom(room)) return;
    this.hub.room(room).broadcast(encodeMessage({ type: "left", name: member.data.name }));
  }
}

/** A connected guest, in a room or not yet. */
export class Guest {
  readonly #hub: Hub<Guest>;
  readonly #member: HubMember<Guest>;
  /**
   * Key of this guest's typing notices, of which only the last is queued. Names cannot be keys: they need not be
   * unique.
   */
  readonly #key: string = String(nextKey++);
  #name = "";
  #room = "";

  constructor(hub: Hub<Guest>, socket: MemberSocket) {
    this.#hub = hub;
    this.#member = hub.register(socket, this);
  }

  get name(): string {
    return this.#name;
  }

  /** Whether the guest has joined a room. */
  get joined(): boolean {
    return this.#room !== "";
  }

  /**
   * Handles a message of the guest, which is not checked yet. A message that breaks the rules is answered with an error
   * and changes nothing. Never rejects; await it before the next call.
   */
  async receive(message: unknown): Promise<void> {
    const { type, room, name, text } = Object(message) as Record<string, unknown>;
    if (type === "join") this.#answer(type, await this.#join(room, name));
    else if (type === "say") this.#answer(type, await this.#say(text));
    else if (type === "typing") this.#answer(type, await this.#typing());
    else this.refuse("Unknown type of message");
  }

  /** Tells a guest at a terminal what to type. */
  greet(): void {
    const join = { type: "join", room: "lobby", name: "ann" };
    const say = { type: "say", text: "hello" };
    this.#send({
      type: "hello",
      message: "Type a line like that of join, then lines like that of say",
      join,
      say,
    });
  }

  /**
   * Sends the guest an error.
   *
   * @param type type of the refused message, if it is known
   */
  refuse(message: string, type?: string): void {
    this.#send({ type: "error", message, refused: type });
  }

  /** Removes the guest, whose connection has ended. */
  leave(): void {
    this.#hub.unregister(this.#member);
  }

  #send(message: Record<string, unknown>): void {
    this.#member.send(encodeMessage(message));
  }

  #answer(type: string, wrong: string | null): void {
    if (wrong !== null) this.refuse(wrong, type);
  }

  async #join(wantedRoom: unknown, wantedName: unknown): Promise<string | null> {
    const room = normalName(wantedRoom, MAX_ROOM), name = normalName(wantedName, MAX_NAME);
    if (room === null) return `A room name must have ${nameRule(MAX_ROOM)}`;
    if (name === null) return `A name must have ${nameRule(MAX_NAME)}`;
    // Only joining the notices room is requested, because that is not announced: if it is refused, nothing has changed.
    const { accepted, reason } = await this.#member.requestJoin(noticesRoom(room));
    if (!accepted) return refusal(reason);
    this.#leaveRoom(room);
    this.#name = name;
    this.#room = room;
    this.#member.join(room);
    return null;
  }

  #leaveRoom(next: string): void {
    if (!this.joined) return;
    this.#member.leave(this.#room);
    if (this.#room !== next) this.#member.leave(noticesRoom(this.#room));
  }

  async #say(text: unknown): Promise<string | null> {
    if (!this.joined) return "Join a room before you say something";
    if (!isText(text, MAX_TEXT)) return `A text must have 1 to ${MAX_TEXT} characters`;
    const at = new Date().toISOString();
    return await this.#publish(this.#room, { type: "said", name: this.#name, text, at });
  }

  async #typing(): Promise<string | null> {
    if (!this.joined) return "Join a room before you type";
    const options = { key: this.#key, except: this.#member };
    return await this.#publish(noticesRoom(this.#room), { type: "typing", name: this.#name }, options);
  }

  async #publish(
    room: string,
    message: Record<string, string>,
    options?: PublishOptions<Guest>,
  ): Promise<string | null> {
    const { reason } = await this.#member.publish(room, encodeMessage(message), options);
    return refusal(reason);
  }
}

let nextKey = 1;

/** Queue of typing notices. A notice is dropped when 64 KiB are queued already, far less than for texts. */
const NOTICES_QUEUE: QueueOptions = { overflow: "coalesce", maxQueuedBytes: 65_536 };

/** Prefix of notices rooms. Rooms of the chat cannot have it, because their names contain no control characters. */
const NOTICES = "\u0000notices ";

function noticesRoom(room: string): string {
  return NOTICES + room;
}

function isNoticesRoom(room: string): boolean {
  return room.startsWith(NOTICES);
}

/** Error message for a refusal; `null` when the request was accepted or the guest has left. */
function refusal(reason: RefusalReason | null): string | null {
  if (reason === null || reason === "gone") return null;
  return reason === "rate" ? "Too many messages at once: wait a moment" : `Not possible now: ${reason}`;
}

/** Whether a value is a text of 1 to `most` code points and is not blank. */
function isText(value: unknown, most: number): value is string {
  if (typeof value !== "string" || value.length > most * 2 || value.trim() === "") return false;
  return Array.from(value).length <= most;
}

function nameRule(most: number): string {
  return `1 to ${most} visible characters of one script`;
}

/** Names of the guests in a room, the newcomer's last; not all of them in a full room. */
function listed(members: Iterable<HubMember<Guest>>, newcomer: HubMember<Guest>): string[] {
  const names: string[] = [];
  for (const member of members) {
    if (names.length === MAX_LISTED - 1) break;
    if (member !== newcomer) names.push(member.data.name);
  }
  names.push(newcomer.data.name);
  return names;
}
