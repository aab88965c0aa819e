import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concat } from "../../src/bytes/concat.ts";

describe("concat", () => {
  it("joins parts in order, empty ones too", () => {
    const parts = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)];
    assert.deepEqual(concat(parts), Uint8Array.of(1, 2, 3));
    assert.deepEqual(concat([]), new Uint8Array(0));
  });

  it("gives a single part back as it is", () => {
    const part = Uint8Array.of(7);
    assert.equal(concat([part]), part);
  });
});
