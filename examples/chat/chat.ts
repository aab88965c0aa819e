/** The chat itself: who is in which room and what they may say. It knows nothing of how its members are connected. */

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

const MAX_NAME = 32;
const MAX_ROOM = 64;
const MAX_TEXT = 2000;

/** How the chat is set up. */
export interface ChatOptions {
  /** What a guest may ask for: joins, texts and typing notices together. Default: 10 a second, 30 at once. */
  rateLimit?: NonNullable<HubOptions["rateLimit"]>;
  /** Told of what failed and is nobody's call. Default: nobody is. */
  onError?: (error: unknown) => void;
}

/**
 * All rooms.
 *
 * A room of the chat is two of the hub. What is said goes to the room of that name, under the hub's policy `close`: who
 * is in it hears all of it, or is sent away. Who is typing goes to the room of notices beside it, under `coalesce`:
 * of each person the last notice waits, and in a queue that is long already none. So no notice costs a slow reader a
 * text, or its place.
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

  /** Somebody connected. */
  enter(socket: MemberSocket): Guest {
    return new Guest(this.hub, socket);
  }

  /** Sends everybody away, some at a time, and lets nobody in. */
  drain(options: DrainOptions): Promise<DrainReport> {
    this.#ending = true;
    return this.hub.drain(options);
  }

  #onJoin(member: HubMember<Guest>, room: string): void {
    if (isNoticesRoom(room)) return;
    const members = this.hub.room(room);
    member.sendJson({ type: "welcome", room, members: Array.from(members, ({ data }) => data.name) });
    members.broadcastJson({ type: "joined", name: member.data.name }, { except: member });
  }

  /** However it came: by another join, by a connection that ended or was silent, by a queue that was full. */
  #onLeave(member: HubMember<Guest>, room: string): void {
    // When all have to leave, nobody needs to hear it of each.
    if (this.#ending || isNoticesRoom(room)) return;
    this.hub.room(room).broadcastJson({ type: "left", name: member.data.name });
  }
}

/** Somebody who is connected, in a room or not yet. */
export class Guest {
  readonly #hub: Hub<Guest>;
  readonly #member: HubMember<Guest>;
  /** Names need not be unique: of each person, not of each name, the last notice counts. */
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

  /** Whether a room was joined. */
  get joined(): boolean {
    return this.#room !== "";
  }

  /**
   * Takes what the guest sent, whatever it is: a breach of the rules is answered, and changes nothing. Never rejects.
   * Wait for it before the next.
   */
  async receive(message: unknown): Promise<void> {
    const { type, room, name, text } = Object(message) as Record<string, unknown>;
    if (type === "join") this.#answer(type, await this.#join(room, name));
    else if (type === "say") this.#answer(type, await this.#say(text));
    else if (type === "typing") this.#answer(type, await this.#typing());
    else this.refuse("Unknown type of message");
  }

  /**
   * Tells the guest what was wrong.
   *
   * @param type what was refused, if that is known
   */
  refuse(message: string, type?: string): void {
    this.#member.sendJson({ type: "error", message, refused: type });
  }

  /** The guest is gone. */
  leave(): void {
    this.#hub.unregister(this.#member);
  }

  #answer(type: string, wrong: string | null): void {
    if (wrong !== null) this.refuse(wrong, type);
  }

  async #join(room: unknown, name: unknown): Promise<string | null> {
    if (!isText(room, MAX_ROOM)) return `A room has 1 to ${MAX_ROOM} characters`;
    if (!isText(name, MAX_NAME)) return `A name has 1 to ${MAX_NAME} characters`;
    if (hasControls(room) || hasControls(name)) return "Rooms and names have no control characters";
    // The request is for the notices, where nobody is told of it: until it is granted nothing has changed.
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
    if (!isText(text, MAX_TEXT)) return `A text has 1 to ${MAX_TEXT} characters`;
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
    const { reason } = await this.#member.publish(room, JSON.stringify(message), options);
    return refusal(reason);
  }
}

let nextKey = 1;

/** The most that may wait for a guest to whom a notice is given: far less than texts may take. */
const NOTICES_QUEUE: QueueOptions = { overflow: "coalesce", maxQueuedBytes: 65_536 };

/** No room of the chat has such a name: in those are no control characters. */
const NOTICES = "\u0000notices ";

function noticesRoom(room: string): string {
  return NOTICES + room;
}

function isNoticesRoom(room: string): boolean {
  return room.startsWith(NOTICES);
}

/** What a guest is told; nothing when it was no refusal, or nobody is there to be told. */
function refusal(reason: RefusalReason | null): string | null {
  if (reason === null || reason === "gone") return null;
  return reason === "rate" ? "Too much at once: wait a moment" : `Not possible now: ${reason}`;
}

/** Whether it is a text of 1 to `most` characters, counted as people count: an emoji is one. */
function isText(value: unknown, most: number): value is string {
  if (typeof value !== "string" || value.length > most * 2 || value.trim() === "") return false;
  return Array.from(value).length <= most;
}

function hasControls(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text);
}
