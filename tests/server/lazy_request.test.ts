/** A lazily created request is a `Request` in every way that an application can see. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { currentAdapter } from "../../adapters/runtime.ts";
import { isWebSocketUpgrade } from "../../mod.ts";
import { lazyRequest } from "../../src/server/lazy_request.ts";

const run = promisify(execFile);

const make = () =>
  new Request("http://a.test/b?c", {
    headers: [["x-one", "1"], ["upgrade", "websocket"], ["connection", "upgrade"]],
  });

const onNode = currentAdapter().name === "node";

describe("what requests need", { skip: !onNode && "only Node loads it on demand" }, () => {
  it("is not loaded by who dials, and loaded by a server before the first to connect", async () => {
    const program = `
      const { listenAndServe } = await import(${
      JSON.stringify(new URL("../../mod.ts", import.meta.url).href)
    });
      const loaded = () => process.moduleLoadList.some((name) => name.endsWith("undici/undici"));
      console.log(loaded());
      const server = await listenAndServe("tcp", "127.0.0.1:0", { websocket() {} });
      console.log(loaded());
      await server.shutdown();
    `;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program]);
    assert.equal(stdout, "false\ntrue\n");
  });
});

describe("a lazy request", () => {
  it("is made once, and not before it is looked at", () => {
    let made = 0;
    const request = lazyRequest(() => {
      made++;
      return make();
    });
    assert.ok(request instanceof Request);
    assert.equal(made, 0);
    assert.equal(request.url, "http://a.test/b?c");
    assert.equal(request.headers, request.headers);
    request.headers.set("x-two", "2");
    assert.equal(request.headers.get("x-two"), "2");
    assert.equal(made, 1);
  });

  it("has what a request has", async () => {
    const real = make();
    const lazy = lazyRequest(make);
    for (const name of Object.getOwnPropertyNames(Request.prototype)) {
      assert.ok(name in lazy, name);
      const [ours, theirs] = [lazy, real].map((request) =>
        (request as unknown as Record<string, unknown>)[name]
      );
      assert.equal(typeof ours, typeof theirs, name);
      if (typeof theirs !== "object" && typeof theirs !== "function") assert.equal(ours, theirs, name);
    }
    assert.deepEqual([...lazy.headers], [...real.headers]);
    assert.equal(await lazy.text(), "");
    assert.equal(Object.prototype.toString.call(lazy), "[object Request]");
    assert.equal(lazy.constructor, Request);
  });

  it("can be cloned into one that the runtime takes", () => {
    const clone = new Request(lazyRequest(make).clone());
    assert.equal(clone.url, "http://a.test/b?c");
    assert.equal(clone.headers.get("x-one"), "1");
    assert.equal(isWebSocketUpgrade(lazyRequest(make)), true);
  });
});
