import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type ChatClient,
  enterByLine,
  enterByWeb,
  join,
  receive,
  type RunningChat,
  startChat,
} from "./chat_clients.ts";

const limit = { timeout: 120_000 };

/** For guests who talk as fast as they can. */
const UNHURRIED = { rate: 1e6 };

describe("chat: the rules", () => {
  let room: RunningChat;
  before(async () => void (room = await startChat()));
  after(() => room.stop());

  for (const [door, enter] of [["web", enterByWeb], ["line", enterByLine]] as const) {
    it(
      `welcomes, tells who comes and goes, and passes on what is said, by the ${door} door`,
      limit,
      async () => {
        const [ann, ben] = [await enter(room), await enter(room)];
        assert.deepEqual(await join(ann, door, "ann"), { type: "welcome", room: door, members: ["ann"] });
        assert.deepEqual(await join(ben, door, "ben"), {
          type: "welcome",
          room: door,
          members: ["ann", "ben"],
        });
        assert.deepEqual(await receive(ann, "joined"), { type: "joined", name: "ben" });
        const text = "<b>hi</b>\nthere \u{1F600}";
        await ben.send({ type: "say", text });
        for (const client of [ann, ben]) {
          const said = await receive(client, "said");
          assert.deepEqual({ ...said, at: "" }, { type: "said", name: "ben", text, at: "" });
          assert.equal(new Date(said.at!).toISOString(), said.at);
        }
        await ben.close();
        assert.deepEqual(await receive(ann, "left"), { type: "left", name: "ben" });
        await ann.close();
      },
    );

    it(`answers a breach of the rules and stays, by the ${door} door`, limit, async () => {
      const client = await enter(room);
      const breaches = [
        { type: "say", text: "too early" },
        { type: "join", room: "r" },
        { type: "join", room: "r", name: "" },
        { type: "join", room: "r", name: "x".repeat(33) },
        { type: "join", room: "r", name: "a\nb" },
        { type: "join", room: "", name: "a" },
        { type: "join", room: 7, name: "a" },
        { type: "shout" },
        { type: "__proto__" },
        {},
        [],
        0,
        "text",
        { type: "join", room: "r", name: {} },
      ];
      for (const breach of breaches) {
        await client.send(breach);
        const answer = await receive(client, "error", "welcome");
        assert.equal(answer.type, "error", JSON.stringify(breach));
      }
      assert.equal((await join(client, `rules ${door}`, "\u{1F600}".repeat(32))).type, "welcome");
      for (const text of ["", "x".repeat(2001), 1, null]) {
        await client.send({ type: "say", text });
        assert.equal((await receive(client, "error", "said")).type, "error");
      }
      await client.send({ type: "say", text: "\u{1F600}".repeat(2000) });
      assert.equal((await receive(client, "error", "said")).type, "said");
      await client.close();
    });
  }

  it("names some of the guests of a full room and counts the others", limit, async () => {
    const [FULL, NAMED] = [700, 500];
    const full = await startChat({ rateLimit: UNHURRIED });
    const remoteAddr = { network: "pipe", toString: () => "pipe" } as const;
    const socket = {
      remoteAddr,
      send: () => true,
      drained: () => Promise.resolve(),
      closed: new Promise<void>(() => {}),
    };
    const name = "\u{20000}".repeat(32);
    for (let i = 0; i < FULL; i++) {
      const guest = full.chat.enter({ ...socket, close: () => Promise.resolve(), closeNow() {} });
      await guest.receive({ type: "join", room: "full", name });
    }
    for (const enter of [enterByWeb, enterByLine]) {
      const ann = await enter(full);
      const { members, more } = await join(ann, "full", "ann");
      assert.deepEqual([members?.length, members?.at(-1), more], [NAMED, "ann", FULL + 1 - NAMED]);
      await ann.send({ type: "join", room: "other", name: "ann" });
      assert.equal((await receive(ann, "welcome")).more, undefined);
      await ann.close();
    }
    await full.stop();
  });

  it("welcomes to the normal form of a room and a name", limit, async () => {
    const ann = await enterByLine(room);
    const welcome = await join(ann, "  \uff32oom   1 ", "Jose\u0301 \u2764\ufe0f");
    assert.deepEqual([welcome.room, welcome.members], ["Room 1", ["Jos\u00e9 \u2764"]]);
    await ann.close();
  });

  it("sends what a terminal would obey in a form that it only prints", limit, async () => {
    const ann = await enterByLine(room);
    await join(ann, "terminals", "ann");
    const text = "\u009b31m \u001b[2J \u007f \u202e txt \u2028";
    await ann.send({ type: "say", text });
    const line = await ann.receiveText() ?? "";
    assert.match(line, /^[ -~]+$/);
    assert.equal((JSON.parse(line) as { text: string }).text, text);
    await ann.close();
  });

  it("tells a guest at the line door what to type", limit, async () => {
    const ann = await enterByLine(room);
    const hello = JSON.parse(await ann.receiveText() ?? "") as Record<string, unknown>;
    assert.equal(hello.type, "hello");
    await ann.send(hello.join);
    assert.equal((await receive(ann, "welcome", "error")).type, "welcome");
    await ann.send(hello.say);
    assert.equal((await receive(ann, "said", "error")).text, "hello");
    await ann.close();
  });

  it("moves to another room on a second join", limit, async () => {
    const [ann, ben] = [await enterByWeb(room), await enterByLine(room)];
    await join(ben, "old", "ben");
    await join(ann, "old", "ann");
    assert.deepEqual((await join(ann, "new", "anna")).members, ["anna"]);
    assert.deepEqual(await receive(ben, "left"), { type: "left", name: "ann" });
    assert.deepEqual(room.chat.hub.room("new").size, 1);
    await Promise.all([ann.close(), ben.close()]);
  });

  it("closes the WebSockets with 1001 and the lines with their end when it stops", limit, async () => {
    const ending = await startChat();
    const [web, line] = [await enterByWeb(ending), await enterByLine(ending)];
    await Promise.all([join(web, "r", "web"), join(line, "r", "line")]);
    await ending.stop();
    assert.deepEqual(await web.conn.closed, { code: 1001, reason: "", wasClean: true });
    while (await line.receiveText() !== null);
    await line.close();
  });

  it("sends away who does not join", limit, async () => {
    const impatient = await startChat({ joinTimeout: 50 });
    const [web, line] = [await enterByWeb(impatient), await enterByLine(impatient)];
    assert.equal((await web.conn.closed).code, 1008);
    assert.equal((await receive(line, "error")).type, "error");
    assert.equal(await line.receiveText(), null);
    await line.close();
    await impatient.stop();
  });
});

describe("chat: many", () => {
  // Everybody hears everything, so the work grows with the square of their number.
  const EACH = 100;
  const MESSAGES = 20;

  it(
    "100 by each door, 20 messages each: everybody gets everything once, in one order per sender",
    limit,
    async () => {
      const room = await startChat({ rateLimit: UNHURRIED });
      const clients: ChatClient[] = [];
      for (let i = 0; i < EACH; i++) clients.push(await enterByWeb(room), await enterByLine(room));
      for (const [i, client] of clients.entries()) await join(client, "many", String(i));

      await Promise.all(clients.map((client, i) => talk(client, i, clients.length)));
      const { evicted, dropped, queuedBytes } = room.chat.hub.stats;
      assert.deepEqual({ evicted, dropped, queuedBytes }, { evicted: 0, dropped: 0, queuedBytes: 0 });
      await Promise.all(clients.map((client) => client.close()));
      await room.stop();
    },
  );

  /** Says the next thing when it hears the last, and checks that it hears everybody count from 0. */
  async function talk(client: ChatClient, self: number, everybody: number): Promise<void> {
    const next = new Array<number>(everybody).fill(0);
    let missing = everybody * MESSAGES;
    await client.send({ type: "say", text: "0" });
    while (missing > 0) {
      const text = await client.receiveText();
      assert.ok(text !== null, `${self}: the chat ended, ${missing} are missing`);
      // Most of a million come: the pattern is cheaper than the parser.
      const said = /^\{"type":"said","name":"(\d+)","text":"(\d+)"/.exec(text);
      if (said === null) continue;
      const [sender, number] = [Number(said[1]), Number(said[2])];
      assert.equal(number, next[sender], `${self} heard ${number} of ${sender}`);
      next[sender] = number + 1;
      missing--;
      if (sender === self && number + 1 < MESSAGES) {
        await client.send({ type: "say", text: String(number + 1) });
      }
    }
  }
});

describe("chat: one does not read", () => {
  const MESSAGES = 1_500;
  const TEXT = "x".repeat(1_990);

  for (const [door, enter] of [["web", enterByWeb], ["line", enterByLine]] as const) {
    it(`is evicted at the ${door} door, and the others see no gap`, limit, async () => {
      const room = await startChat({ rateLimit: UNHURRIED });
      const slow = await enter(room);
      await join(slow, "slow", "slow");
      const [member] = room.chat.hub.members;
      const talkers: ChatClient[] = [];
      for (let i = 0; i < 4; i++) talkers.push(await enterByWeb(room), await enterByLine(room));
      for (const [i, client] of talkers.entries()) await join(client, "slow", String(i));

      let mostQueued = 0;
      const left = await Promise.all(talkers.map(async (client, self) => {
        let missing = talkers.length * MESSAGES;
        const next = new Array<number>(talkers.length).fill(0);
        let slowLeft = 0;
        await client.send({ type: "say", text: `0 ${TEXT}` });
        while (missing > 0 || slowLeft === 0) {
          const text = (await client.receiveText())!;
          mostQueued = Math.max(mostQueued, member!.queuedBytes);
          if (text === '{"type":"left","name":"slow"}') slowLeft++;
          const said = /^\{"type":"said","name":"(\d+)","text":"(\d+) /.exec(text);
          if (said === null) continue;
          const [sender, number] = [Number(said[1]), Number(said[2])];
          assert.equal(number, next[sender]);
          next[sender] = number + 1;
          missing--;
          if (sender === self && number + 1 < MESSAGES) {
            await client.send({ type: "say", text: `${number + 1} ${TEXT}` });
          }
        }
        return slowLeft;
      }));
      assert.deepEqual(new Set(left), new Set([1]));
      const { evicted, members } = room.chat.hub.stats;
      assert.deepEqual({ evicted, members }, { evicted: 1, members: talkers.length });
      assert.ok(mostQueued > 500_000 && mostQueued <= 1_048_576, `${mostQueued} bytes were queued`);
      await Promise.all(talkers.map((client) => client.close()));
      await room.stop();
    });
  }
});
