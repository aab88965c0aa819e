/** Known faults of parsers of handshakes (docs/threats.md): quadratic work, and inherited names. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseExtensionList, parseTokenList } from "../../src/http/header_fields.ts";

/** A text that counts accesses to its characters; it has the methods of a string that the parsers use. */
class CountedText {
  readonly #text: string;
  readonly length: number;
  steps = 0;

  constructor(text: string) {
    this.#text = text;
    this.length = text.length;
  }

  charCodeAt(at: number): number {
    this.steps++;
    return this.#text.charCodeAt(at);
  }

  slice(start: number, end: number): string {
    this.steps += end - start;
    return this.#text.slice(start, end);
  }
}

describe("the work of parsing a list grows with its length, counted in characters looked at", () => {
  const size = 65_536;
  const values: [name: string, value: string][] = [
    ["spaces before the end", `a${" ".repeat(size)}`],
    ["spaces before another character", `a${" ".repeat(size)}b`],
    ["spaces behind commas", `a${",".padEnd(64).repeat(size / 64)}b`],
    ["commas", ",".repeat(size)],
    ["an unterminated quoted value", `a; b="${"c".repeat(size)}`],
    ["an unterminated quoted value of escapes", `a; b="${"\\c".repeat(size / 2)}`],
    ["an unterminated quoted value that ends in an escape", `a; b="${"c".repeat(size)}\\`],
    ["many unterminated quoted values", `a${'; b="'.repeat(size / 5)}`],
    ["many parameters", `a${"; b=c".repeat(size / 5)}`],
    ["many members", "a, ".repeat(size / 3)],
    ["semicolons", `a${";".repeat(size)}`],
    ["one token", "a".repeat(size)],
  ];
  for (const [name, value] of values) {
    it(name, () => {
      for (const parse of [parseTokenList, parseExtensionList]) {
        const text = new CountedText(value);
        parse(text as unknown as string);
        assert.ok(text.steps > 0 && text.steps <= 8 * value.length, `${text.steps} of ${value.length}`);
      }
    });
  }
});
