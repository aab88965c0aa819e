/** Whether arrays and objects lie more than `max` deep in each other in the JSON `text`. Needs no stack. */
export function isDeeperThan(max: number, text: string): boolean {
  // Nothing is deeper than it has brackets to open and to close, and to find a few costs a tenth of looking at every
  // character. What is too short, and only opens them, is no JSON.
  return text.length > 2 * max + 1 && hasMoreBrackets(max, text) && nestsDeeper(max, text);
}

/** Whether more than `max` brackets open, not counting those so near the end that as many cannot be closed behind them. */
function hasMoreBrackets(max: number, text: string): boolean {
  const end = text.length - max - 1;
  // Most texts start with a bracket; to see it here saves a search.
  const first = text.charCodeAt(0);
  const start = first === 0x7b || first === 0x5b ? 1 : 0;
  const braces = countUpTo(max - start, text, "{", start, end);
  return start + braces + countUpTo(max - start - braces, text, "[", start, end) > max;
}

/** How often `char` is found from `start` to `end`; counting stops above `max`. */
function countUpTo(max: number, text: string, char: string, start: number, end: number): number {
  let count = 0;
  for (
    let at = text.indexOf(char, start);
    at >= 0 && at < end && count <= max;
    at = text.indexOf(char, at + 1)
  ) count++;
  return count;
}

/** What is no JSON may be misread from the place on where a parser stops; up to there it is not. */
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

/** Where the quote lies that ends the string which starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x22) return i;
    if (char === 0x5c) i++;
  }
  return text.length;
}
