/** Whether arrays and objects in the JSON `text` are nested deeper than `max`. Uses no recursion. */
export function isDeeperThan(max: number, text: string): boolean {
  const length = text.length;
  // A text cannot be deeper than its number of opening brackets, and searching for a few brackets costs a tenth of
  // looking at every character. Brackets in the last `max + 1` characters are not counted: `max + 1` closing ones must
  // follow.
  if (length <= 2 * max + 1) return false;
  const end = length - max - 1;
  const arrays = countUpTo(max, text, "[", end);
  // An array takes two characters, an object five (`{"":` and `}`), except for the innermost, which can be empty. A
  // text too short for that need not be searched for braces: with the default depth most texts of up to about 300
  // characters.
  if (length < 5 * max + 2 - 3 * arrays) return false;
  return arrays + countUpTo(max - arrays, text, "{", end) > max && nestsDeeper(max, text);
}

/** Number of occurrences of `char` before index `end`; counting stops above `max`. */
function countUpTo(max: number, text: string, char: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0 && at < end && count <= max; at = text.indexOf(char, at + 1)) {
    count++;
  }
  return count;
}

/**
 * Follows every bracket outside of strings. A text that is not JSON is followed correctly up to the character at which
 * a parser fails.
 */
function nestsDeeper(max: number, text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x22) {
      i = endOfString(text, i);
    } else if (char === 0x7b || char === 0x5b) {
      if (++depth > max) return true;
    } else if (char === 0x7d || char === 0x5d) {
      depth--;
    }
  }
  return false;
}

/** Index of the closing quote of the string whose opening quote is at `start`; `text.length` when there is none. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x22) return i;
    if (char === 0x5c) i++;
  }
  return text.length;
}
