/** Upper bound of the numbers remembered of one hub: the latest ones. Older numbers count as seen. */
const WINDOW = 4096;

/** The most hubs that are remembered. The one that was silent longest is forgotten. */
const MAX_ORIGINS = 1024;

/** Which of the last `WINDOW` numbers of one hub were seen. */
interface Window {
  /** The largest number seen. */
  newest: number;
  /** One bit for each number, at the place that `placeOf` gives. */
  readonly bits: Uint32Array;
}

/** Recognises messages that were delivered before. Remembers a bounded number of messages, of a bounded number of hubs. */
export class SeenMessages {
  /** Windows by the origin of the hub, in the order of the last delivery. */
  readonly #origins: Map<string, Window> = new Map();

  /** Remembers a message; returns `false` when it was seen before. */
  add(origin: string, number: number): boolean {
    const window = this.#windowOf(origin, number);
    if (number > window.newest) advance(window, number);
    else if (window.newest - number >= WINDOW) return false;
    const [word, bit] = placeOf(number);
    if ((window.bits[word]! & bit) !== 0) return false;
    window.bits[word]! |= bit;
    return true;
  }

  #windowOf(origin: string, number: number): Window {
    let window = this.#origins.get(origin);
    if (window === undefined) {
      window = { newest: number, bits: new Uint32Array(WINDOW / 32) };
      if (this.#origins.size >= MAX_ORIGINS) this.#origins.delete(this.#origins.keys().next().value!);
    } else {
      this.#origins.delete(origin);
    }
    this.#origins.set(origin, window);
    return window;
  }
}

/** Moves the window forward to `number`; the numbers in between were not seen. */
function advance(window: Window, number: number): void {
  if (number - window.newest >= WINDOW) window.bits.fill(0);
  else {
    for (let passed = window.newest + 1; passed <= number; passed++) {
      const [word, bit] = placeOf(passed);
      window.bits[word]! &= ~bit;
    }
  }
  window.newest = number;
}

function placeOf(number: number): [word: number, bit: number] {
  const place = number % WINDOW;
  return [place >>> 5, 1 << (place & 31)];
}
