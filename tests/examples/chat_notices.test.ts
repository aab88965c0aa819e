/** Notices of typing, of guests that come and go, and the limit of a guest's requests. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Chat, type ChatOptions, type Guest } from "../../examples/chat/chat.ts";
import { MemorySocket } from "../hub/memory_socket.ts";
import {
  type ChatClient,
  type ChatMessage,
  enterByLine,
  enterByWeb,
  join,
  receive,
  startChat,
} from "./chat_clients.ts";

const limit = { timeout: 30_000 };
const UNHURRIED = { rate: 1e6 };
/** Three requests, and for the length of a test no more. */
const THREE = { rate: 1e-6, burst: 3 };

/** Somebody in the chat without a connection. */
interface Visitor {
  readonly guest: Guest;
  readonly socket: MemorySocket;
  heard(): ChatMessage[];
}

async function visit(chat: Chat, room: string, name: string, stalled = false): Promise<Visitor> {
  const socket = new MemorySocket();
  if (stalled) socket.stall();
  const guest = chat.enter(socket);
  await guest.receive({ type: "join", room, name });
  await until(() => socket.messages.length > 0);
  return {
    guest,
    socket,
    heard: () => socket.messages.map((text) => JSON.parse(text) as ChatMessage),
  };
}

/** Waits for what ends of turns bring. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await setImmediate();
}

const quiet = (options: ChatOptions = {}) => new Chat({ rateLimit: UNHURRIED, ...options });

describe("chat: who is typing", () => {
  for (const [door, enter] of [["web", enterByWeb], ["line", enterByLine]] as const) {
    it(`tells the others in the room, by the ${door} door`, limit, async () => {
      const room = await startChat();
      const [ann, ben, cy] = [await enter(room), await enter(room), await enter(room)];
      await join(ann, "a", "ann");
      await join(ben, "a", "ben");
      await join(cy, "b", "cy");
      await ann.send({ type: "typing" });
      assert.deepEqual(await receive(ben, "typing", "said"), { type: "typing", name: "ann" });
      await ann.send({ type: "say", text: "done" });
      assert.equal((await receive(ann, "typing", "said")).type, "said", "one does not hear of oneself");
      await cy.send({ type: "say", text: "alone" });
      assert.equal((await receive(cy, "typing", "said")).type, "said", "nor of another room");
      await Promise.all([ann, ben, cy].map((client) => client.close()));
      await room.stop();
    });

    it(`refuses it outside of a room, and follows a move, by the ${door} door`, limit, async () => {
      const room = await startChat();
      const [ann, ben] = [await enter(room), await enter(room)];
      await ann.send({ type: "typing" });
      assert.equal((await receive(ann, "error")).refused, "typing");
      await join(ben, "new", "ben");
      await join(ann, "old", "ann");
      await join(ann, "new", "anna");
      await ben.send({ type: "typing" });
      assert.deepEqual(await receive(ann, "typing"), { type: "typing", name: "ben" });
      await ann.send({ type: "typing" });
      assert.deepEqual(await receive(ben, "typing"), { type: "typing", name: "anna" });
      assert.deepEqual([...room.chat.hub.rooms].length, 2, "nothing is left of the old room");
      await Promise.all([ann.close(), ben.close()]);
      await room.stop();
    });
  }

  it("keeps for a slow reader every text, and of each person the last notice", limit, async () => {
    const chat = quiet();
    const slow = await visit(chat, "r", "slow", true);
    // Both have the same name: they are two all the same.
    const [one, other] = [await visit(chat, "r", "twin"), await visit(chat, "r", "twin")];
    for (let i = 0; i < 50; i++) {
      await one.guest.receive({ type: "typing" });
      await other.guest.receive({ type: "typing" });
      await one.guest.receive({ type: "say", text: String(i) });
    }
    await until(() => other.heard().some(({ text }) => text === "49"));
    slow.socket.recover();
    const heard = () => slow.heard().filter(({ type }) => type === "said" || type === "typing");
    await until(() => heard().length >= 52);
    assert.deepEqual(heard().map(({ type, text }) => text ?? type), [
      ...Array.from({ length: 49 }, (_, i) => String(i)),
      "typing",
      "typing",
      "49",
    ]);
    const { coalesced, dropped, evicted } = chat.hub.stats;
    assert.ok(coalesced >= 98, `${coalesced}`);
    assert.deepEqual({ dropped, evicted }, { dropped: 0, evicted: 0 });
    await chat.hub.close();
  });

  it("never sends a reader away who has as many texts as may be", limit, async () => {
    const chat = quiet();
    const slow = await visit(chat, "r", "slow", true);
    const ann = await visit(chat, "r", "ann");
    const text = "x".repeat(2_000);
    // 500 texts are almost all that may wait; with the notices it would be more.
    for (let i = 0; i < 500; i++) await ann.guest.receive({ type: "say", text });
    const typists = [];
    for (let i = 0; i < 10; i++) typists.push(await visit(chat, "r", `typist ${i}`));
    for (let i = 0; i < 200; i++) {
      for (const { guest } of typists) await guest.receive({ type: "typing" });
    }
    slow.socket.recover();
    await until(() => slow.heard().filter(({ name }) => name === "typist 9").length > 0);
    assert.equal(slow.heard().filter(({ type }) => type === "said").length, 500);
    assert.equal(slow.heard().filter(({ type }) => type === "joined").length, 11);
    assert.equal(chat.hub.stats.evicted, 0);
    await chat.hub.close();
  });
});

describe("chat: who is here", () => {
  it("is told of everybody who is gone, once, however that came", limit, async () => {
    const room = await startChat();
    const ann = await enterByWeb(room);
    await join(ann, "r", "ann");
    const leaves: [string, (client: ChatClient) => unknown][] = [
      ["closes", (client) => client.close()],
      ["moves", (client) => client.send({ type: "join", room: "other", name: "moved" })],
      ["renamed", (client) => client.send({ type: "join", room: "r", name: "new" })],
      ["dropped", () => [...room.chat.hub.room("r")].at(-1)!.socket.closeNow()],
      ["unregistered", () => room.chat.hub.unregister([...room.chat.hub.room("r")].at(-1)!)],
    ];
    const clients: ChatClient[] = [];
    for (const [name, leave] of leaves) {
      const client = await enterByWeb(room);
      clients.push(client);
      await join(client, "r", name);
      assert.deepEqual(await receive(ann, "joined", "left"), { type: "joined", name });
      await leave(client);
      assert.deepEqual(await receive(ann, "joined", "left"), { type: "left", name });
      if (name === "renamed") {
        assert.deepEqual(await receive(ann, "joined", "left"), { type: "joined", name: "new" });
      }
    }
    assert.deepEqual(Array.from(room.chat.hub.room("r"), ({ data }) => data.name), ["ann", "new"]);
    await Promise.all([ann, ...clients].map((client) => client.close().catch(() => {})));
    await room.stop();
  });

  it("hears once of who did not read, and no more of them", limit, async () => {
    const chat = quiet();
    const slow = await visit(chat, "r", "slow", true);
    const ann = await visit(chat, "r", "ann");
    for (let i = 0; i < 600; i++) await ann.guest.receive({ type: "say", text: "x".repeat(2_000) });
    await until(() => ann.heard().filter(({ type }) => type === "said").length === 600);
    assert.equal(slow.socket.closedBy, 1013);
    assert.deepEqual(ann.heard().filter(({ type }) => type === "left"), [{ type: "left", name: "slow" }]);
    assert.equal(chat.hub.stats.evicted, 1);
    // Whatever it still sends changes nothing.
    await slow.guest.receive({ type: "say", text: "late" });
    await slow.guest.receive({ type: "typing" });
    await slow.guest.receive({ type: "join", room: "r", name: "late" });
    assert.equal(chat.hub.room("r").size, 1);
    await chat.hub.close();
  });

  it("lets nobody in while it is drained, and tells nobody who leaves", limit, async () => {
    const chat = quiet();
    const [ann, ben] = [await visit(chat, "r", "ann"), await visit(chat, "r", "ben")];
    const drained = chat.drain({ code: 1012, batchSize: 1, interval: 1 });
    const late = new MemorySocket();
    const guest = chat.enter(late);
    await guest.receive({ type: "join", room: "r", name: "late" });
    assert.deepEqual(await drained, { closed: 2, left: 0, cut: 0, lost: 0 });
    assert.deepEqual([ann, ben].map(({ socket }) => socket.closedBy), [1012, 1012]);
    assert.deepEqual([late.closedBy, late.messages], [1012, []]);
    assert.equal([...ann.heard(), ...ben.heard()].some(({ type }) => type === "left"), false);
  });
});

describe("chat: a guest asks too often", () => {
  for (const [door, enter] of [["web", enterByWeb], ["line", enterByLine]] as const) {
    it(`is told so, and stays where it is, at the ${door} door`, limit, async () => {
      const room = await startChat({ rateLimit: THREE });
      const [ann, ben] = [await enter(room), await enter(room)];
      await join(ann, "r", "ann");
      await join(ben, "r", "ben");
      await ann.send({ type: "say", text: "1" });
      await ann.send({ type: "say", text: "2" });
      for (
        const message of [
          { type: "say", text: "3" },
          { type: "typing" },
          { type: "join", room: "r", name: "another" },
          { type: "join", room: "elsewhere", name: "ann" },
        ]
      ) {
        await ann.send(message);
        const answer = await receive(ann, "error", "welcome");
        assert.deepEqual(
          answer,
          { type: "error", message: "Too many messages at once: wait a moment", refused: message.type },
        );
      }
      // Another's allowance is its own.
      await ben.send({ type: "say", text: "from ben" });
      for (const text of ["1", "2", "from ben"]) {
        assert.equal((await receive(ben, "said", "typing", "left")).text, text);
      }
      assert.equal(room.chat.hub.stats.rateLimited, 4);
      await Promise.all([ann.close(), ben.close()]);
      await room.stop();
    });
  }
});
