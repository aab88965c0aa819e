/** The hub's hook for debugging: members that come and go, and requests that are refused. */

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { HubDebugEvent } from "../../src/hub/hub_debug.ts";
import type { HubOptions } from "../../src/hub/hub_options.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { enter, HubWorld } from "./support.ts";

let world: HubWorld;
let events: string[];
beforeEach(() => {
  world = new HubWorld();
  events = [];
});

/** A hub whose events are kept, each in a line. */
function tracedHub(options: HubOptions<string> = {}): Hub<string> {
  return world.hub({ ...options, onDebug: (event) => events.push(line(event)) });
}

function line(event: HubDebugEvent<string>): string {
  if (event.type === "draining" || event.type === "closing") return `${event.type} ${event.members}`;
  if (event.type === "removed") return `removed: ${event.cause}`;
  return event.type === "refused" ? `refused ${event.request} ${event.room}: ${event.reason}` : event.type;
}

describe("Hub: onDebug", () => {
  it("tells who came, and why each left", async () => {
    const hub = tracedHub({ maxQueuedBytes: 10 });
    const [first, second, third] = [enter(hub, "red"), enter(hub, "red"), enter(hub, "red")];
    hub.unregister(first.member);
    second.socket.closeNow();
    await world.settle();
    third.socket.stall();
    for (let i = 0; i < 3; i++) {
      hub.broadcast("12345678");
      await world.settle();
    }
    assert.deepEqual(events, [
      "registered",
      "registered",
      "registered",
      "removed: unregistered",
      "removed: socket closed",
      "removed: queue full",
    ]);
  });

  it("tells what was refused, and why", async () => {
    const hub = tracedHub({
      authorizeJoin: (_member, room) => room !== "secret",
      rateLimit: { burst: 3, rate: 1 },
    });
    const { member } = enter(hub);
    await member.requestJoin("secret");
    await member.publish("red", "x");
    await member.requestJoin("red");
    await member.requestJoin("blue");
    assert.deepEqual(events.slice(1), [
      "refused join secret: forbidden",
      "refused publish red: not-joined",
      "refused join blue: rate",
    ]);
  });

  it("tells when it ends, and what comes too late", async () => {
    const hub = tracedHub();
    enter(hub);
    const closing = hub.close();
    await world.settle();
    await closing;
    enter(hub);
    assert.deepEqual(events, ["registered", "closing 1", "removed: socket closed", "rejected"]);
  });

  it("is harmless when it throws, and must be a function", (t) => {
    const { mock } = t as { mock?: { method(of: object, name: string, by: () => void): unknown } };
    mock?.method(console, "error", () => {});
    const hub = world.hub({
      onDebug: () => {
        throw new Error("the hook fails");
      },
    });
    assert.ok(enter(hub, "red").member.registered);
    const onDebug = 1 as unknown as () => void;
    assert.throws(() => world.hub({ onDebug }), { name: "TypeError", message: /^Cannot use onDebug: / });
  });
});
