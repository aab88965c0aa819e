/** What members ask for themselves: hooks, their order and bounds, and rate limits. */

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { rateSettings, TokenBucket } from "../../src/hub/token_bucket.ts";
import { enter, enterWith, HubWorld, settled } from "./support.ts";

let world: HubWorld;
beforeEach(() => void (world = new HubWorld()));

const accepted = { accepted: true, reason: null, receivers: 0 };
const refused = (reason: string) => ({ accepted: false, reason, receivers: 0 });

/** Answers of a hook that come when the test says so. */
class Answers {
  readonly asked: string[] = [];
  readonly #answers: PromiseWithResolvers<boolean>[] = [];

  ask = (what: string): Promise<boolean> => {
    this.asked.push(what);
    const answer = Promise.withResolvers<boolean>();
    this.#answers.push(answer);
    return answer.promise;
  };

  async next(allowed: boolean): Promise<void> {
    this.#answers.shift()!.resolve(allowed);
    await settled();
  }
}

describe("Hub: requests without hooks", () => {
  it("are done when the call returns", async () => {
    const hub = world.hub();
    const [a, b] = [enter(hub), enter(hub, "red")];
    const joined = a.member.requestJoin("red");
    assert.ok(hub.room("red").has(a.member));
    const published = a.member.publish("red", "hi");
    const other = a.member.publish("red", "not me", { except: a.member });
    assert.equal(b.member.queuedMessages, 2);
    assert.deepEqual(await joined, accepted);
    assert.deepEqual(await published, { ...accepted, receivers: 2 });
    assert.deepEqual(await other, { ...accepted, receivers: 1 });
  });

  it("to publish one has to be in the room, unless the hub says otherwise", async () => {
    const [hub, open] = [world.hub(), world.hub({ publishWithoutJoining: true })];
    assert.deepEqual(await enter(hub).member.publish("red", "hi"), refused("not-joined"));
    assert.equal(hub.stats.refused, 1);
    enter(open, "red");
    assert.deepEqual(await enter(open).member.publish("red", "hi"), { ...accepted, receivers: 1 });
  });

  it("of somebody who is gone do nothing", async () => {
    const hub = world.hub();
    const { member } = enter(hub);
    hub.unregister(member);
    assert.deepEqual(await member.requestJoin("red"), refused("gone"));
    assert.deepEqual(await member.publish("red", "hi"), refused("gone"));
    assert.throws(() => member.publish("red", 1 as unknown as string), TypeError);
  });
});

describe("Hub: hooks", () => {
  it("that answer at once are done at once, and whatever is not true refuses", async () => {
    let answer: unknown = true;
    const hub = world.hub({
      authorizeJoin: () => answer as boolean,
      authorizePublish: (member, room, message) => {
        assert.ok(member.rooms.has(room));
        return message.text() !== "bad";
      },
    });
    const { member } = enter(hub);
    void member.requestJoin("red");
    assert.ok(member.rooms.has("red"));
    for (answer of [false, undefined, 1, "yes", {}]) {
      assert.deepEqual(await member.requestJoin("blue"), refused("forbidden"));
    }
    assert.equal((await member.publish("red", "good")).accepted, true);
    assert.deepEqual(await member.publish("red", "bad"), refused("forbidden"));
    member.join("blue");
    assert.equal(hub.room("blue").broadcast("the application is not asked"), 1);
  });

  it("that throw or reject refuse, and are reported", async () => {
    const errors: unknown[] = [];
    const hub = world.hub({
      authorizeJoin: () => {
        throw new Error("threw");
      },
      authorizePublish: () => Promise.reject(new Error("rejected")),
      onError: (error) => errors.push(String(error)),
    });
    const { member } = enter(hub, "red");
    assert.deepEqual(await member.requestJoin("blue"), refused("forbidden"));
    assert.deepEqual(await member.publish("red", "hi"), refused("forbidden"));
    assert.deepEqual(errors, ["Error: threw", "Error: rejected"]);
    assert.equal(hub.stats.refused, 2);
  });

  it("keep the order of a member's requests, and hold up nobody else", async () => {
    const answers = new Answers();
    const hub = world.hub({
      authorizeJoin: (member, room) => member.data === "trusted" || answers.ask(room),
      authorizePublish: (member, _room, message) => member.data === "trusted" || answers.ask(message.text()),
    });
    const [a, b] = [enter(hub), enter(hub)];
    b.member.data = "trusted";
    const results = [
      a.member.requestJoin("red"),
      a.member.publish("red", "1"),
      a.member.publish("red", "2"),
      a.member.publish("red", "3"),
    ];
    await b.member.requestJoin("red");
    await b.member.publish("red", "from b");
    assert.deepEqual(answers.asked, ["red"]);
    await answers.next(true);
    await answers.next(true);
    await answers.next(false);
    assert.deepEqual(answers.asked, ["red", "1", "2", "3"]);
    await answers.next(true);
    const reasons = (await Promise.all(results)).map(({ reason }) => reason);
    assert.deepEqual(reasons, [null, null, "forbidden", null]);
    await world.settle();
    assert.deepEqual(a.socket.messages, ["1", "3"]);
    assert.deepEqual(b.socket.messages, ["from b", "1", "3"]);
  });

  it("have a bounded number of requests and bytes wait for them", async () => {
    const answers = new Answers();
    const hub = world.hub({
      authorizePublish: () => answers.ask(""),
      maxPendingRequests: 3,
      maxPendingBytes: 10,
    });
    const { member } = enter(hub, "red");
    const first = member.publish("red", "x".repeat(9));
    assert.deepEqual(await member.publish("red", "xx"), refused("busy"));
    const small = [member.publish("red", ""), member.publish("red", "")];
    assert.deepEqual(await member.publish("red", ""), refused("busy"));
    for (let i = 0; i < 3; i++) await answers.next(true);
    assert.ok((await Promise.all([first, ...small])).every(({ accepted }) => accepted));
    assert.equal(hub.stats.refused, 2);
    void member.publish("red", "x".repeat(11));
    await answers.next(true);
    assert.equal(member.queuedMessages, 4);
  });

  it("that never answer are given up, and what comes late is ignored", async () => {
    const answers = new Answers();
    const errors: unknown[] = [];
    const hub = world.hub({
      authorizeJoin: (_client, room) => answers.ask(room),
      authorizeTimeout: 1000,
      onError: (error) => errors.push(String(error)),
    });
    const { member } = enter(hub);
    const results = [member.requestJoin("red"), member.requestJoin("blue")];
    world.clock.advance(1000);
    await settled();
    assert.deepEqual(await results[0], refused("forbidden"));
    await answers.next(true);
    await answers.next(true);
    assert.deepEqual(await results[1], accepted);
    assert.deepEqual([...member.rooms], ["blue"]);
    assert.match(String(errors), /took more than 1000 ms/);
  });

  it("of somebody who went meanwhile do nothing more", async () => {
    const answers = new Answers();
    const hub = world.hub({ authorizeJoin: (_client, room) => answers.ask(room) });
    const { member } = enter(hub);
    const results = [member.requestJoin("red"), member.requestJoin("blue")];
    hub.unregister(member);
    assert.deepEqual(await Promise.all(results), [refused("gone"), refused("gone")]);
    await answers.next(true);
    assert.deepEqual([[...hub.rooms], answers.asked, world.runtime.timers.size], [[], ["red"], 0]);
  });

  it("may end the member that they are asked about", async () => {
    const hub = world.hub({
      authorizeJoin(member) {
        hub.unregister(member);
        return true;
      },
    });
    const { member } = enter(hub);
    assert.deepEqual(await member.requestJoin("red"), refused("gone"));
    assert.deepEqual([...hub.rooms], []);
  });
});

describe("Hub: rate limits", () => {
  it("refuse what is too much, count it, and let it be later", async () => {
    const hub = world.hub({ rateLimit: { rate: 2, burst: 3 } });
    const { member } = enter(hub, "red");
    const reasons = async (count: number) => {
      const results = await Promise.all(Array.from({ length: count }, () => member.publish("red", "x")));
      return results.map(({ reason }) => reason);
    };
    assert.deepEqual(await reasons(5), [null, null, null, "rate", "rate"]);
    world.clock.time += 1000;
    assert.deepEqual(await reasons(3), [null, null, "rate"]);
    assert.deepEqual([hub.stats.rateLimited, member.queuedMessages, member.registered], [3, 5, true]);
    assert.deepEqual((await member.requestJoin("blue")).reason, "rate");
  });

  it("close with 1008 where that is the policy", async () => {
    const hub = world.hub({ rateLimit: { rate: 1, policy: "close" } });
    const { member, socket } = enter(hub, "red");
    await member.publish("red", "1");
    assert.deepEqual(await member.publish("red", "2"), refused("rate"));
    assert.deepEqual([socket.closedBy, hub.size, socket.messages], [1008, 0, ["1"]]);
  });

  it("are each member's own, and can be set for one", async () => {
    const hub = world.hub({ rateLimit: { rate: 1 } });
    const free = enterWith(hub, { rateLimit: null }, "red").member;
    const slow = enterWith(hub, { rateLimit: { rate: 0.5 } }, "red").member;
    for (let i = 0; i < 10; i++) assert.equal((await free.publish("red", "x")).accepted, true);
    assert.equal((await slow.publish("red", "x")).accepted, true);
    world.clock.time += 1000;
    assert.equal((await slow.publish("red", "x")).reason, "rate");
    world.clock.time += 1000;
    assert.equal((await slow.publish("red", "x")).accepted, true);
  });

  it("refuse what is none", () => {
    for (
      const rateLimit of [{ rate: 0 }, { rate: NaN }, { rate: 1, burst: 0.5 }, { rate: 1, burst: -1 }]
    ) assert.throws(() => world.hub({ rateLimit }), RangeError);
    assert.throws(() => world.hub({ rateLimit: { rate: 1, policy: "x" as "drop" } }), TypeError);
  });
});

describe("TokenBucket", () => {
  it("gives what it holds, then what comes in, and never more than it holds", () => {
    const bucket = new TokenBucket({ rate: 10, burst: 2 }, 0);
    const taken = (now: number) => {
      let count = 0;
      while (bucket.take(now)) count++;
      return count;
    };
    assert.deepEqual([taken(0), taken(50), taken(100), taken(10_000)], [2, 0, 1, 2]);
  });

  it("gives nothing for time that goes back", () => {
    const bucket = new TokenBucket({ rate: 1, burst: 1 }, 10_000);
    assert.equal(bucket.take(10_000), true);
    assert.equal(bucket.take(5_000), false);
    assert.equal(bucket.take(5_900), false);
    assert.equal(bucket.take(6_000), true);
  });

  it("has the rate for a burst when nothing is said, but at least one", () => {
    assert.deepEqual(rateSettings({ rate: 5 }), { rate: 5, burst: 5, policy: "drop" });
    assert.equal(rateSettings({ rate: 0.1 }).burst, 1);
  });
});
