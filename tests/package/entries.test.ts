/** The entries: what each exports, loads and binds to the runtime. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import * as framing from "../../entries/framing.ts";
import * as hub from "../../entries/hub.ts";
import * as net from "../../entries/net.ts";
import * as protocol from "../../entries/protocol.ts";
import * as websocket from "../../entries/websocket.ts";
import * as everything from "../../mod.ts";
import type { Hub as HubOn } from "../../src/hub/hub.ts";
import type { Upgrader as UpgraderOn } from "../../src/server/upgrader.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What is for the other files of `src` and no application's business. */
type UpgraderInternals = "settings" | "check" | "accept" | "newTrace";

/** A name that the class in `src` has and the one that is exported has not is an error of types here. */
const complete: [
  Exclude<keyof HubOn, keyof hub.Hub> extends never ? true : false,
  Exclude<keyof UpgraderOn, keyof websocket.Upgrader | UpgraderInternals> extends never ? true : false,
] = [true, true];

/** The files that a file loads when it runs: types are erased. */
function loadedBy(path: string, into: Set<string> = new Set()): Set<string> {
  if (into.has(path)) return into;
  into.add(path);
  const text = readFileSync(join(root, path), "utf8");
  for (
    const [, names, specifier] of text.matchAll(/^(?:import|export)\s+(?!type\b)([^;]*?)from "(\.[^"]+)";/gms)
  ) {
    // `import { type A, type B }` stays as `import {}`, which loads the file.
    assert.ok(
      !/^\{[\s,]*(type \w+( as \w+)?[\s,]*)+\}\s*$/.test(names!),
      `${path} loads ${specifier} for types`,
    );
    loadedBy(posix.join(posix.dirname(path), specifier!), into);
  }
  return into;
}

describe("entries", () => {
  it("are what the packages export", () => {
    const files = readdirSync(join(root, "entries")).filter((file) => file !== "runtime.ts").sort();
    const { exports } = JSON.parse(
      readFileSync(join(root, "deno.json"), "utf8").replace(/^\s*\/\/.*$/gm, ""),
    ) as { exports: Record<string, string> };
    assert.deepEqual(
      exports,
      Object.fromEntries([[".", "./mod.ts"], ...files.map((f) => [`./${f.slice(0, -3)}`, `./entries/${f}`])]),
    );
  });

  it("bind what is bound all the same", () => {
    const parts = { ...net, ...framing, ...websocket, ...hub };
    assert.deepEqual(Object.keys(everything).sort(), Object.keys(parts).sort());
    for (const [name, value] of Object.entries(parts)) {
      assert.equal(everything[name as keyof typeof everything], value, name);
    }
    assert.equal(protocol.CloseCode, websocket.CloseCode);
    assert.deepEqual(complete, [true, true]);
  });

  it("load no more than their part", () => {
    const loaded = (entry: string): string[] => [...loadedBy(`entries/${entry}.ts`)];
    const none = (entry: string, pattern: RegExp): void =>
      assert.deepEqual(loaded(entry).filter((file) => pattern.test(file)), [], entry);
    none("framing", /^adapters\/|^src\/(protocol|websocket|hub)\/|runtime\.ts$/);
    none("net", /^src\/(framing|websocket|hub)\//);
    none("websocket", /^src\/(framing|hub)\//);
    none("protocol", /^adapters\/(?!zlib\.ts|web_text\.ts)|^src\/(framing|net|websocket|hub)\//);
  });
});
