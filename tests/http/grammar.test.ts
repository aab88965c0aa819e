import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAuthority } from "../../src/http/grammar.ts";

describe("RFC 9110, 7.2: parseAuthority()", () => {
  it("splits host and port", () => {
    const cases: [string, string, number | null][] = [
      ["a", "a", null],
      ["a.example:8080", "a.example", 8080],
      ["127.0.0.1:0", "127.0.0.1", 0],
      ["[::1]", "[::1]", null],
      ["[::ffff:1.2.3.4]:65535", "[::ffff:1.2.3.4]", 65535],
      ["a:", "a", null],
      ["a:0080", "a", 80],
      ["a_b%20", "a_b%20", null],
    ];
    for (const [text, hostname, port] of cases) {
      assert.deepEqual(parseAuthority(text), { hostname, port }, text);
    }
  });

  it("gives null for what is none", () => {
    for (
      const text of [
        "",
        ":80",
        "[]",
        "[a",
        "a]",
        "[::1]x",
        "[::1]x:80",
        "a:-1",
        "a:+1",
        "a:1e3",
        "a:99999",
        "a\n",
        "a:1\n",
      ]
    ) {
      assert.equal(parseAuthority(text), null, JSON.stringify(text));
    }
  });

  it("returns for a head's worth of anything", () => {
    const size = 64 * 1024;
    assert.equal(parseAuthority("a".repeat(size))?.hostname.length, size);
    assert.equal(parseAuthority(`${"a".repeat(size)}/`), null);
    assert.equal(parseAuthority("%20".repeat(size) + "%"), null);
    assert.equal(parseAuthority(":".repeat(size)), null);
    assert.equal(parseAuthority("[".repeat(size)), null);
    assert.equal(parseAuthority(`a:${"1".repeat(size)}`), null);
  });
});
