import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { normalName } from "../../examples/chat/names.ts";

describe("chat: names", () => {
  const taken: [what: string, sent: string, name: string][] = [
    ["plain letters", "ann", "ann"],
    ["marks of an emoji's style", "I \u2764\ufe0f it", "I \u2764 it"],
    ["letters and their accents apart", "Jose\u0301", "Jos\u00e9"],
    ["wide and compatible forms", "\uff21\uff4e\u{1d427}\u2460", "Ann1"],
    ["spaces around and between", "  ann \u00a0 b ", "ann b"],
    ["32 emoji", "\u{1f600}".repeat(32), "\u{1f600}".repeat(32)],
    ["digits and punctuation", "R2-D2 (#1)", "R2-D2 (#1)"],
    ["Cyrillic alone", "\u0410\u043d\u043d\u0430 7", "\u0410\u043d\u043d\u0430 7"],
    [
      "Japanese with Latin",
      "\u5c71\u7530\u3055\u3093 \u30bf\u30ed\u30fc X",
      "\u5c71\u7530\u3055\u3093 \u30bf\u30ed\u30fc X",
    ],
    ["Korean", "\ubc15 Park", "\ubc15 Park"],
    ["Hindi", "\u0938\u094d\u0924\u094d\u0930\u0940", "\u0938\u094d\u0924\u094d\u0930\u0940"],
    ["Hebrew", "\u05d3\u05d5\u05d3", "\u05d3\u05d5\u05d3"],
    ["the key of a prototype", "__proto__", "__proto__"],
  ];
  for (const [what, sent, name] of taken) {
    it(`takes ${what}`, () => assert.equal(normalName(sent, 32), name));
  }

  const refused: [what: string, value: unknown][] = [
    ["no text", 7],
    ["nothing", undefined],
    ["an empty text", ""],
    ["spaces", " \u3000"],
    ["33 code points", "\u{1f600}".repeat(33)],
    ["what is too long in its normal form", "\ufdfa".repeat(2)],
    ["a line break", "a\nb"],
    ["NUL, which begins the names of rooms for notices", "\u0000notices a"],
    ["a C1 control", "a\u009bb"],
    ["a zero-width space", "a\u200bnn"],
    ["a zero-width joiner", "\u{1f468}\u200d\u{1f469}"],
    ["a soft hyphen", "ann\u00ad"],
    ["a mark that turns the direction", "\u202enna"],
    ["an isolate", "\u2067ann"],
    ["a byte order mark", "a\ufeffnn"],
    ["a separator of lines", "a\u2028b"],
    ["a combining grapheme joiner", "a\u034fnn"],
    ["a Hangul filler", "ann\u3164"],
    ["a blank Braille pattern", "\u2800"],
    ["a blank of Ogham", "a\u1680b"],
    ["a tag", "a\u{e0061}"],
    ["a lone surrogate", "\ud800"],
    ["a private character", "a\ue000"],
    ["a character without a meaning", "a\u0378"],
    ["accents alone", "\u0301"],
    ["a pile of accents", "a\u0316\u0317\u0318\u0319\u031c\u031d"],
    ["Latin with Cyrillic", "\u0430nn"],
    ["Latin with Greek", "\u0391nn"],
    ["Latin with Cherokee", "\u13aann"],
    ["Hiragana with Hangul", "\u3042\ubc15"],
  ];
  for (const [what, value] of refused) {
    it(`refuses ${what}`, () => assert.equal(normalName(value, 32), null));
  }
});
