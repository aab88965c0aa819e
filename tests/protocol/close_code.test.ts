import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CloseCode, isSendableCloseCode, MAX_REASON_BYTES } from "../../src/protocol/close_code.ts";

describe("RFC 6455, 7.4: status codes", () => {
  it("isSendableCloseCode() takes the registered codes and those of libraries and applications", () => {
    const sendable: number[] = [];
    for (let code = -1; code <= 65536; code++) if (isSendableCloseCode(code)) sendable.push(code);
    const registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
    const others = Array.from({ length: 2000 }, (_, i) => 3000 + i);
    assert.deepEqual(sendable, [...registered, ...others]);
  });

  it("isSendableCloseCode() refuses what is no integer", () => {
    for (const code of [NaN, Infinity, 1000.5, 3000.1, "1000", null, undefined, {}]) {
      assert.ok(!isSendableCloseCode(code as number), String(code));
    }
  });

  it("CloseCode names 7.4.1 and its registry; three of them are never sent", () => {
    const unsendable = Object.entries(CloseCode).filter(([, code]) => !isSendableCloseCode(code));
    assert.deepEqual(unsendable, [
      ["NoStatusReceived", 1005],
      ["AbnormalClosure", 1006],
      ["TlsHandshake", 1015],
    ]);
    assert.equal(new Set(Object.values(CloseCode)).size, 15);
  });

  it("a reason has what a control frame leaves beside the code", () =>
    assert.equal(MAX_REASON_BYTES, 125 - 2));
});
