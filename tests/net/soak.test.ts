/** Short connections leave nothing behind. `bench/soak.ts` makes more of them, and prints what is left. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { openSockets, socketsDownTo } from "./descriptors.ts";
import { soak } from "../../bench/soak.ts";
import { holdProcess } from "./support.ts";

const limit = { timeout: 60_000 };

describe("soak: short connections", () => {
  holdProcess();

  it("leave no socket and no alarm", limit, async () => {
    const runtime = new Runtime(currentAdapter());
    const before = openSockets();
    await soak(runtime, 600);
    assert.equal(runtime.timers.size, 0, "an alarm is left");
    await socketsDownTo(before);
  });
});
