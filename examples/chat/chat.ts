/** The chat itself: who is in which room and what they may say. It knows nothing of how its members are connected. */

import { Hub, type HubClient, type HubSocket } from "../../mod.ts";

const MAX_NAME = 32;
const MAX_ROOM = 64;
const MAX_TEXT = 2000;

/** All rooms. */
export class Chat {
  /** Who is too slow has left as soon as that is known, not when its connection has ended. */
  readonly hub: Hub<Guest> = new Hub<Guest>({ onOverflow: ({ client }) => client.data.leave() });

  /** Somebody connected. */
  enter(socket: HubSocket): Guest {
    return new Guest(this.hub, socket);
  }
}

/** Somebody who is connected, in a room or not yet. */
export class Guest {
  readonly #hub: Hub<Guest>;
  readonly #client: HubClient<Guest>;
  #name = "";
  #room = "";

  constructor(hub: Hub<Guest>, socket: HubSocket) {
    this.#hub = hub;
    this.#client = hub.register(socket, this);
  }

  get name(): string {
    return this.#name;
  }

  /** Whether a room was joined. */
  get joined(): boolean {
    return this.#room !== "";
  }

  /** Takes what the guest sent, whatever it is: a breach of the rules is answered, and changes nothing. */
  receive(message: unknown): void {
    const { type, room, name, text } = Object(message) as Record<string, unknown>;
    const wrong = type === "join"
      ? this.#join(room, name)
      : type === "say"
      ? this.#say(text)
      : "Unknown type of message";
    if (wrong !== null) this.refuse(wrong);
  }

  /** Tells the guest what was wrong. */
  refuse(message: string): void {
    this.#client.sendJson({ type: "error", message });
  }

  /** The guest is gone. */
  leave(): void {
    this.#leaveRoom();
    this.#hub.unregister(this.#client);
  }

  #join(room: unknown, name: unknown): string | null {
    if (!isText(room, MAX_ROOM)) return `A room has 1 to ${MAX_ROOM} characters`;
    if (!isText(name, MAX_NAME)) return `A name has 1 to ${MAX_NAME} characters`;
    if (hasControls(room) || hasControls(name)) return "Rooms and names have no control characters";
    this.#leaveRoom();
    this.#room = room;
    this.#name = name;
    const others = this.#hub.room(room);
    others.broadcastJson({ type: "joined", name });
    this.#client.join(room);
    this.#client.sendJson({
      type: "welcome",
      room,
      members: Array.from(others, (client) => client.data.name),
    });
    return null;
  }

  #say(text: unknown): string | null {
    if (!this.joined) return "Join a room before you say something";
    if (!isText(text, MAX_TEXT)) return `A text has 1 to ${MAX_TEXT} characters`;
    const name = this.#name;
    this.#hub.room(this.#room).broadcastJson({ type: "said", name, text, at: new Date().toISOString() });
    return null;
  }

  #leaveRoom(): void {
    if (!this.joined) return;
    this.#client.leave(this.#room);
    this.#hub.room(this.#room).broadcastJson({ type: "left", name: this.#name });
    this.#room = "";
  }
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
