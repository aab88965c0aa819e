/** Whether arrays and objects lie more than `max` deep in each other in the JSON `text`. Needs no stack. */
export function isDeeperThan(max: number, text: string): boolean {
  const length = text.length;
  // Nothing is deeper than it has brackets to open and to close, and to find a few costs a tenth of looking at every
  // character. Those so near the end that as many cannot be closed behind them count for nothing: what only opens them
  // is no JSON.
  if (length <= 2 * max + 1) return false;
  const end = length - max - 1;
  const arrays = countUpTo(max, text, "[", end);
  // An array takes two characters; an object `{"":` and `}`, but for the innermost, which can be empty. So in most texts
  // below some 300 characters nobody needs to look for braces, which saves a third of the searches.
  if (length < 5 * max + 2 - 3 * arrays) return false;
  return arrays + countUpTo(max - arrays, text, "{", end) > max && nestsDeeper(max, text);
}

/** How often `char` is found in front of `end`; counting stops above `max`. */
function countUpTo(max: number, text: string, char: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0 && at < end && count <= max; at = text.indexOf(char, at + 1)) {
    count++;
  }
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
