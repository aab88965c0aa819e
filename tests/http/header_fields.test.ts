import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  formatExtensionList,
  HeaderFields,
  isFieldValue,
  isToken,
  listIncludes,
  parseExtensionList,
  parseTokenList,
} from "../../src/http/header_fields.ts";

const TCHARS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LONG = 16 * 1024;

describe("RFC 9110, 5.1 to 5.3: fields", () => {
  it("HeaderFields compares names without regard to case", () => {
    const fields = new HeaderFields([["Host", "a"], ["X-Y", "1"]]);
    assert.equal(fields.get("hOST"), "a");
    assert.equal(fields.has("x-y"), true);
    assert.equal(fields.has("x"), false);
    assert.deepEqual(fields.getAll("X-y"), ["1"]);
  });

  it("HeaderFields keeps the order and joins repeated fields", () => {
    const fields = new HeaderFields();
    for (const [name, value] of [["A", "1"], ["b", "2"], ["a", ""], ["A", "3"]] as const) {
      fields.append(name, value);
    }
    assert.equal(fields.size, 4);
    assert.equal(fields.get("a"), "1, , 3");
    assert.deepEqual(fields.getAll("a"), ["1", "", "3"]);
    assert.deepEqual([...fields], [["a", "1"], ["b", "2"], ["a", ""], ["a", "3"]]);
  });

  it("HeaderFields tells an absent field from an empty one", () => {
    const fields = new HeaderFields([["empty", ""]]);
    assert.equal(fields.get("empty"), "");
    assert.equal(fields.get("absent"), null);
    assert.deepEqual(fields.getAll("absent"), []);
  });

  it("HeaderFields knows no name that was not given, whatever objects inherit", () => {
    const fields = new HeaderFields();
    const names = ["__proto__", "constructor", "hasOwnProperty", "toString", "__definegetter__"];
    for (const name of names) assert.equal(fields.get(name), null, name);
    for (const name of names) fields.append(name, name);
    for (const name of names) assert.deepEqual(fields.getAll(name), [name]);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });

  it("HeaderFields cannot be changed through what iterating gives", () => {
    const fields = new HeaderFields([["a", "1"]]);
    for (const field of fields) field[1] = "2";
    assert.equal(fields.get("a"), "1");
  });
});

describe("RFC 9110, 5.5 and 5.6.2: tokens and values", () => {
  it("isToken() takes the token characters and no other", () => {
    for (let code = 0; code < 0x180; code++) {
      const char = String.fromCharCode(code);
      assert.equal(isToken(char), TCHARS.includes(char), `code ${code}`);
      assert.equal(isToken(`a${char}`), TCHARS.includes(char), `code ${code}`);
    }
    assert.equal(isToken(""), false);
    assert.equal(isToken(TCHARS), true);
  });

  it("isFieldValue() takes latin1 but the controls, of which only HTAB", () => {
    for (let code = 0; code < 0x180; code++) {
      const allowed = code === 9 || code >= 0x20 && code !== 0x7f && code <= 0xff;
      assert.equal(isFieldValue(`a${String.fromCharCode(code)}`), allowed, `code ${code}`);
    }
    assert.equal(isFieldValue(""), true);
    assert.equal(isFieldValue("a\u{1F600}"), false);
  });
});

describe("RFC 9110, 5.6.1: lists", () => {
  it("parseTokenList() splits at commas and drops whitespace and empty elements", () => {
    assert.deepEqual(parseTokenList("chat"), ["chat"]);
    assert.deepEqual(parseTokenList("a,b , \tc"), ["a", "b", "c"]);
    assert.deepEqual(parseTokenList(", a,,\t,b,"), ["a", "b"]);
    assert.deepEqual(parseTokenList("__proto__, constructor"), ["__proto__", "constructor"]);
    for (const empty of ["", " ", ",", " ,\t, "]) assert.deepEqual(parseTokenList(empty), []);
  });

  it("parseTokenList() gives null for what is no list of tokens", () => {
    for (
      const value of ["a b", "a;b", 'a, "b"', "a/b", "é", "a\u00a0", "a\0", "a,b c", "(a)", "a=b", "a\r\nb"]
    ) {
      assert.equal(parseTokenList(value), null, JSON.stringify(value));
    }
  });

  it("listIncludes() compares members without regard to case, and takes those that are no tokens", () => {
    assert.equal(listIncludes("keep-alive, Upgrade", "upgrade"), true);
    assert.equal(listIncludes("HTTP/2.0,\tWebSocket ,x", "websocket"), true);
    assert.equal(listIncludes(",,upgrade,", "Upgrade"), true);
    for (
      const value of [
        "",
        "websocket2",
        "web socket",
        "x-websocket",
        "websocket/13",
        "websocket\u00a0",
        "websocket;",
      ]
    ) {
      assert.equal(listIncludes(value, "websocket"), false, JSON.stringify(value));
    }
  });
});

describe("RFC 6455, 9.1: extension lists", () => {
  const flag = (name: string) => ({ name, value: true as const });

  it("parseExtensionList() reads names, flags and values in their order", () => {
    assert.deepEqual(parseExtensionList("foo"), [{ name: "foo", params: [] }]);
    assert.deepEqual(parseExtensionList("permessage-deflate; client_max_window_bits, x-b;a=1;a=2 ;c"), [
      { name: "permessage-deflate", params: [flag("client_max_window_bits")] },
      { name: "x-b", params: [{ name: "a", value: "1" }, { name: "a", value: "2" }, flag("c")] },
    ]);
  });

  it("parseExtensionList() takes whitespace around each separator, and empty elements", () => {
    assert.deepEqual(parseExtensionList(' ,\tfoo \t; a = 1 ; b= 2;c =\t"3" , ,bar, '), [
      {
        name: "foo",
        params: [{ name: "a", value: "1" }, { name: "b", value: "2" }, { name: "c", value: "3" }],
      },
      { name: "bar", params: [] },
    ]);
    assert.deepEqual(parseExtensionList(""), []);
    assert.deepEqual(parseExtensionList(" , "), []);
  });

  it("parseExtensionList() unescapes quoted values", () => {
    assert.deepEqual(parseExtensionList('foo; a="10"; b="\\1\\0x"'), [
      { name: "foo", params: [{ name: "a", value: "10" }, { name: "b", value: "10x" }] },
    ]);
  });

  it("parseExtensionList() is not misled by inherited names", () => {
    assert.deepEqual(parseExtensionList("__proto__; constructor=__proto__; __proto__"), [
      { name: "__proto__", params: [{ name: "constructor", value: "__proto__" }, flag("__proto__")] },
    ]);
  });

  it("parseExtensionList() gives null for a quoted value that is no token", () => {
    for (
      const value of [
        '""',
        '"a b"',
        '"a',
        '"',
        '"a\\',
        '"\\"',
        '"a\\"b"',
        '"a,b"',
        '"é"',
        '" a"',
        '"a "',
        '"a"b',
        '"a""b"',
      ]
    ) {
      assert.equal(parseExtensionList(`foo; a=${value}`), null, value);
    }
  });

  it("parseExtensionList() gives null for what is malformed", () => {
    const values = [
      ";",
      "foo;",
      "foo; ",
      "foo; ;a",
      "foo; a=",
      "foo; =a",
      "foo; a=,",
      "foo a",
      "foo=a",
      '"foo"',
      "foo; a b",
    ];
    for (
      const value of [
        ...values,
        "foo; a=1 2",
        "foo; a==1",
        "foo/bar",
        "foo; é",
        "foo; a=\u00a01",
        "foo, ;",
        "foo; a=1=2",
      ]
    ) {
      assert.equal(parseExtensionList(value), null, value);
    }
  });

  it("formatExtensionList() writes what parseExtensionList() reads", () => {
    const list = [
      { name: "foo", params: [flag("a"), { name: "b", value: "10" }] },
      { name: "bar", params: [] },
    ];
    assert.equal(formatExtensionList(list), "foo; a; b=10, bar");
    assert.deepEqual(parseExtensionList(formatExtensionList(list)), list);
    assert.equal(formatExtensionList([]), "");
  });

  it("formatExtensionList() refuses parts that are no tokens", () => {
    for (const bad of ["", "a b", "a\r\nb", "a,b", "é"]) {
      assert.throws(() => formatExtensionList([{ name: bad, params: [] }]), TypeError);
      assert.throws(() => formatExtensionList([{ name: "a", params: [flag(bad)] }]), TypeError);
      assert.throws(
        () => formatExtensionList([{ name: "a", params: [{ name: "a", value: bad }] }]),
        TypeError,
      );
    }
  });
});

describe("linear time: a head's worth of each pathological value returns", () => {
  // Quadratic or worse is hours at this size.
  const size = 64 * LONG;
  const cases: [name: string, value: string, parsed: number | null][] = [
    ["an unterminated quoted value", `a;b="${"c".repeat(size)}`, null],
    ["escapes in an unterminated quoted value", `a;b="${"\\c".repeat(size / 2)}`, null],
    ["backslashes", `a;b="${"\\".repeat(size)}`, null],
    ["opening quotes", `a${';b="'.repeat(size / 4)}`, null],
    ["whitespace in the middle", `a${" ".repeat(size)}b`, null],
    ["whitespace at the end", `a${" \t".repeat(size / 2)}`, 1],
    ["commas", ",".repeat(size), 0],
    ["spaced commas", " ,".repeat(size / 2), 0],
    ["many members", "a,".repeat(size / 2), size / 2],
    ["one long token", "a".repeat(size), 1],
  ];
  for (const [name, value, parsed] of cases) {
    it(name, () => {
      assert.equal(parseExtensionList(value)?.length ?? null, parsed);
      assert.equal(parseTokenList(value)?.length ?? null, parsed);
      assert.equal(listIncludes(value, "upgrade"), false);
    });
  }

  it("many parameters", () => {
    assert.equal(parseExtensionList(`a${";b".repeat(size / 2)}`)?.[0]?.params.length, size / 2);
  });
});
