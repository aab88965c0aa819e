/** Names of guests and rooms: texts that are seen as they are, and that do not look like another name. */

/** Scripts in which names are written. Characters of all scripts, such as digits and emoji, need no mention. */
const SCRIPTS = [
  ...["Arabic", "Armenian", "Balinese", "Bengali", "Canadian_Aboriginal", "Cherokee", "Cyrillic"],
  ...["Devanagari", "Ethiopic", "Georgian", "Greek", "Gujarati", "Gurmukhi", "Hebrew", "Javanese", "Kannada"],
  ...["Khmer", "Lao", "Latin", "Malayalam", "Mongolian", "Myanmar", "Nko", "Oriya", "Sinhala", "Sundanese"],
  ...["Syriac", "Tamil", "Telugu", "Thaana", "Thai", "Tibetan", "Tifinagh", "Vai", "Yi"],
  // Written together, and so with Latin: Japanese, Chinese and Korean. Unicode Technical Standard 39, 5.2.
  ...["Latin Han Hiragana Katakana", "Latin Han Bopomofo", "Latin Han Hangul"],
].map(ofScripts);

function ofScripts(names: string): RegExp {
  const scripts = ["Common", "Inherited", ...names.split(" ")].map((name) => `\\p{scx=${name}}`);
  return new RegExp(`^[${scripts.join("")}]+$`, "u");
}

/** Which of two emoji is meant, in colour or not: the one invisible character that keyboards add by themselves. */
const EMOJI_STYLE = /[\ufe0e\ufe0f]/g;

/**
 * Controls, marks of direction, zero-width characters, private and unassigned ones; spaces but the plain one; and what
 * is blank by its shape alone.
 */
const UNSEEN = /[\p{C}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Z}/u;

const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

/** More marks on one letter than any language writes: they would cover the lines above and below. */
const PILE = /\p{M}{5}/u;

/**
 * Normalizes a name: compatible forms are one (NFKC), and so are runs of spaces.
 *
 * @param most upper bound of the name's length, code points
 * @returns the name, or `null` when it is no text, is blank, too long, has characters that cannot be seen, or mixes
 *   scripts
 */
export function normalName(value: unknown, most: number): string | null {
  // Before the work: a code point has at most two units, and an emoji's style is a third.
  if (typeof value !== "string" || value.length > most * 3) return null;
  const name = value.normalize("NFKC").replace(EMOJI_STYLE, "").trim().replace(/ +/g, " ");
  if (!VISIBLE.test(name) || UNSEEN.test(name) || PILE.test(name)) return null;
  if (Array.from(name).length > most) return null;
  return SCRIPTS.some((script) => script.test(name)) ? name : null;
}
