import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Utf8Validator } from "../../src/bytes/utf8.ts";
import { hex, toHex, utf8 } from "../protocol/wire.ts";
import { Random } from "./random.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

function decodes(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Whether some text begins with the bytes, as the runtime's decoder sees it. */
function beginsText(bytes: Uint8Array): boolean {
  return ENDINGS.some((ending) => decodes(Uint8Array.of(...bytes, ...ending)));
}

const ENDINGS = ["", "80", "90", "a0", "8080", "9080", "a080", "808080", "908080"].map(hex);

/** Checks the bytes in pieces; the number of those read before the fault, all if there is none. */
function validBytes(pieces: Iterable<Uint8Array>): { readonly count: number; readonly complete: boolean } {
  const validator = new Utf8Validator();
  let count = 0;
  for (const piece of pieces) {
    if (!validator.push(piece, 0, piece.length)) return { count, complete: false };
    count += piece.length;
  }
  return { count, complete: validator.complete };
}

const bytewise = (bytes: Uint8Array) => Array.from(bytes, (byte) => Uint8Array.of(byte));

function isValid(bytes: Uint8Array): boolean {
  const validator = new Utf8Validator();
  return validator.push(bytes, 0, bytes.length) && validator.complete;
}

describe("RFC 3629, 4: syntax of UTF-8", () => {
  const valid = {
    "nothing": "",
    "ASCII": "00 41 7f",
    "two bytes, first and last": "c280 dfbf",
    "three bytes, first and last": "e0a080 efbfbf",
    "around the surrogates": "ed9fbf ee8080",
    "four bytes, first and last": "f0908080 f48fbfbf",
    "a byte order mark": "efbbbf",
    "noncharacters": "efb790 efbfbe f09fbfbe f48fbfbe",
    "RFC 3629, 7": "41e289a2ce912e ed959ceab5adec96b4 e697a5e69cace8aa9e efbbbff0a38eb4",
    "Κόσμε": "cebae1bdb9cf83cebcceb5",
  };
  for (const [name, digits] of Object.entries(valid)) {
    it(`takes ${name}, whole, byte by byte and at each split`, () => {
      const bytes = hex(digits);
      assert.ok(decodes(bytes));
      assert.ok(isValid(bytes));
      assert.deepEqual(validBytes(bytewise(bytes)), { count: bytes.length, complete: true });
      for (let at = 0; at <= bytes.length; at++) {
        const split = validBytes([bytes.subarray(0, at), bytes.subarray(at)]);
        assert.deepEqual(split, { count: bytes.length, complete: true });
      }
    });
  }

  /** The last byte of each is the one that cannot be. */
  const invalid = {
    "a continuation without a start": ["80", "bf", "4180"],
    "an overlong form of two bytes": ["c0", "c1"],
    "an overlong form of three bytes": ["e080", "e09f"],
    "an overlong form of four bytes": ["f080", "f08f"],
    "a surrogate": ["eda0", "edaf", "edb0", "edbf"],
    "beyond U+10FFFF": ["f490", "f4bf", "f5", "f8", "fc", "fe", "ff"],
    "a code point that breaks off": ["c241", "c2c2", "e0a041", "e18041", "f09080c2", "f0908041", "f1e0"],
    "CESU-8": ["eda1"],
    "a NUL in two bytes": ["c0"],
  };
  for (const [name, cases] of Object.entries(invalid)) {
    it(`refuses ${name} at the byte that shows it`, () => {
      for (const digits of cases) {
        for (const before of ["", "41", "e697a5", "41".repeat(8), "41".repeat(33), "c3a9".repeat(9)]) {
          const bytes = hex(before + digits);
          assert.ok(beginsText(bytes.subarray(0, -1)) && !beginsText(bytes));
          assert.ok(!isValid(bytes), digits);
          assert.equal(validBytes(bytewise(bytes)).count, bytes.length - 1, before + digits);
        }
      }
    });
  }

  it("knows that a text is not complete inside a code point", () => {
    for (const digits of ["c3", "e6", "e697", "f0", "f09f", "f09f98", "41f09f98"]) {
      const bytes = hex(digits);
      assert.deepEqual(validBytes([bytes]), { count: bytes.length, complete: false });
    }
  });

  it("reset() starts a new text, after an unfinished one and after a bad one", () => {
    for (const digits of ["e6", "ed", "f4", "f0", "e0", "ff", "eda0"]) {
      const validator = new Utf8Validator();
      validator.push(hex(digits), 0, digits.length / 2);
      validator.reset();
      assert.ok(validator.complete);
      assert.ok(validator.push(hex("e697a5"), 0, 3) && validator.complete);
      assert.ok(!validator.push(hex("a0"), 0, 1));
    }
  });

  it("nothing mends a text that was refused", () => {
    for (const digits of ["80", "eda0", "c0", "f5"]) {
      const validator = new Utf8Validator();
      assert.ok(!validator.push(hex(digits), 0, digits.length / 2));
      for (const more of ["41", "80", "e697a5", "ff", ""]) {
        assert.ok(!validator.complete);
        assert.ok(more === "" || !validator.push(hex(more), 0, more.length / 2));
      }
    }
  });

  it("pushWhole() takes all of a part or nothing", () => {
    for (const before of ["", "41", "e6", "e697", "f09f", "ed", "f4"]) {
      for (const bad of ["ff", "41ff", "80ff", "97a5c0", "9f98c1", "9fbfff"]) {
        const validator = new Utf8Validator();
        assert.ok(validator.pushWhole(hex(before)));
        const { complete } = validator;
        assert.ok(!validator.pushWhole(hex(bad)));
        assert.equal(validator.complete, complete);
        const rest: Record<string, string> = {
          e6: "97a5",
          e697: "a5",
          f09f: "9880",
          ed: "9fbf",
          f4: "8fbfbf",
        };
        assert.ok(!validator.pushWhole(hex((rest[before] ?? "41") + "ff")));
        assert.ok(validator.pushWhole(hex(rest[before] ?? "41")) && validator.complete);
      }
    }
  });

  it("looks at bytes[start, end) and no other", () => {
    const bytes = hex("ff c3a9 ff");
    assert.ok(new Utf8Validator().push(bytes, 1, 3));
    assert.ok(new Utf8Validator().push(bytes, 1, 1));
    const ascii = utf8("a".repeat(30) + "\u00e9");
    for (let end = 0; end <= 30; end++) assert.ok(new Utf8Validator().push(ascii, 0, end));
  });
});

describe("Utf8Validator against the runtime's decoder", () => {
  const borders = hex("00 41 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff");

  it("each sequence of one and of two bytes", () => {
    for (let first = 0; first < 256; first++) {
      assert.equal(isValid(Uint8Array.of(first)), first < 0x80);
      for (let second = 0; second < 256; second++) {
        const bytes = Uint8Array.of(first, second);
        assert.equal(isValid(bytes), decodes(bytes), toHex(bytes));
      }
    }
  });

  it("sequences of three and four bytes from the borders of the ranges", () => {
    for (const lead of hex("c2 e0 e1 ed ee ef f0 f1 f4 f5")) {
      for (const second of borders) {
        for (const third of borders) {
          const three = Uint8Array.of(lead, second, third);
          assert.equal(isValid(three), decodes(three), toHex(three));
          if (lead < 0xf0 || second < 0x80 || second > 0xbf) continue;
          for (const fourth of borders) {
            const four = Uint8Array.of(lead, second, third, fourth);
            assert.equal(isValid(four), decodes(four), toHex(four));
          }
        }
      }
    }
  });

  it("random text, whole and cut", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed);
      const bytes = utf8(random.text(random.below(100)));
      const result = validBytes(random.cut(bytes, 1 + random.below(20)));
      assert.deepEqual(result, { count: bytes.length, complete: true }, `seed ${seed}`);
    }
  });

  it("mutated text: the fault is at the first byte that no text can have there", () => {
    let faults = 0;
    for (let seed = 0; seed < 1500; seed++) {
      const random = new Random(seed);
      const bytes = utf8(random.text(1 + random.below(30)));
      for (let times = random.below(3); times >= 0; times--) {
        bytes[random.below(bytes.length)] = random.oneIn(2) ? random.pick([...borders]) : random.below(256);
      }
      assert.equal(isValid(bytes), decodes(bytes), `seed ${seed}: ${toHex(bytes)}`);
      const { count } = validBytes(bytewise(bytes));
      assert.ok(beginsText(bytes.subarray(0, count)), `seed ${seed}: ${toHex(bytes)}`);
      if (count === bytes.length) continue;
      faults++;
      assert.ok(!beginsText(bytes.subarray(0, count + 1)), `seed ${seed}: ${toHex(bytes)}`);
    }
    assert.ok(faults > 500);
  });
});
