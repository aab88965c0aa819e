/** So many numbers of one hub are remembered; what is older counts as seen. */
const WINDOW = 4096;

/** Of so many hubs; the one that was silent longest is forgotten. */
const MAX_ORIGINS = 1024;

/** The last numbers of one hub. */
interface Window {
  /** The largest number seen. */
  newest: number;
  /** One bit for each of the last numbers. */
  readonly bits: Uint32Array;
}

/** Tells what came before. It remembers a bounded number of messages, of a bounded number of hubs. */
export class SeenMessages {
  /** In the order of when they were last heard of. */
  readonly #origins: Map<string, Window> = new Map();

  /** Remembers a message; `false` when it had been seen. */
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

/** Moves the window on: the numbers that it now reaches have not been seen. */
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
