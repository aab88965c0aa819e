/**
 * Header fields and the grammars of their values: tokens, lists, extensions.
 *
 * Every parser here reads its text once, from left to right, without backtracking.
 */

/** Bit of {@linkcode charClass}: the code may stand in a token (RFC 9110, 5.6.2). */
export const TOKEN_CHAR = 1;
/** Bit of {@linkcode charClass}: the code may stand in a field value (RFC 9110, 5.5). */
export const VALUE_CHAR = 2;
/** Bit of {@linkcode charClass}: the code is visible ASCII (RFC 5234, VCHAR). */
export const VISIBLE_CHAR = 4;
/** Bits of each of the 256 latin1 codes: {@linkcode TOKEN_CHAR}, {@linkcode VALUE_CHAR}, {@linkcode VISIBLE_CHAR}. */
export const charClass: Uint8Array = classifyChars();

/** A parameter of an extension. */
export interface ExtensionParam {
  /** Name, a token. */
  readonly name: string;
  /** Value without quotes; `true` for a parameter without a value. */
  readonly value: string | true;
}

/** One element of `Sec-WebSocket-Extensions` (RFC 6455, 9.1). */
export interface Extension {
  /** Name, a token such as `permessage-deflate`. */
  readonly name: string;
  /** Parameters, in the order of the list. */
  readonly params: readonly ExtensionParam[];
}

/**
 * An ordered list of header fields; names are compared without regard to case.
 *
 * The list does not check its fields: the head reader checks those that were received, the head encoder those to send.
 */
export class HeaderFields implements Iterable<[name: string, value: string]> {
  /** Names and values in turn. An array for each pair would be most of what a request's head allocates. */
  readonly #fields: string[] = [];

  /** Makes a list of the fields, in their order. */
  constructor(fields: Iterable<readonly [name: string, value: string]> = []) {
    for (const [name, value] of fields) this.append(name, value);
  }

  /** Number of fields, repeated names counted each time. */
  get size(): number {
    return this.#fields.length / 2;
  }

  /** Adds a field at the end; the name is kept in lower case. */
  append(name: string, value: string): void {
    this.#fields.push(name.toLowerCase(), value);
  }

  /** The field's values joined by `", "` (RFC 9110, 5.3), `null` for an absent field. */
  get(name: string): string | null {
    const wanted = name.toLowerCase();
    const fields = this.#fields;
    let joined: string | null = null;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === wanted) joined = joined === null ? fields[i + 1]! : `${joined}, ${fields[i + 1]}`;
    }
    return joined;
  }

  /** The values of the field's lines, in their order. */
  getAll(name: string): string[] {
    const wanted = name.toLowerCase();
    const fields = this.#fields;
    const values: string[] = [];
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === wanted) values.push(fields[i + 1]!);
    }
    return values;
  }

  /** Whether the list has a field of that name. */
  has(name: string): boolean {
    const wanted = name.toLowerCase();
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === wanted) return true;
    return false;
  }

  /** The fields in their order, names in lower case. */
  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 2) yield [fields[i]!, fields[i + 1]!];
  }
}

/** Whether the text is a token (RFC 9110, 5.6.2). */
export function isToken(text: string): boolean {
  return text.length > 0 && consistsOf(text, TOKEN_CHAR);
}

/** Whether the text is a field value: latin1 without control characters other than HTAB (RFC 9110, 5.5). */
export function isFieldValue(text: string): boolean {
  return consistsOf(text, VALUE_CHAR);
}

/** Whether each character of the text has the wanted bit in {@linkcode charClass}. */
export function consistsOf(text: string, wanted: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (!hasClass(text.charCodeAt(i), wanted)) return false;
  }
  return true;
}

/**
 * Whether a comma-separated list has the element, compared without regard to case.
 *
 * An element may have any character but a comma, because `Upgrade: HTTP/2.0, websocket` is not a list of tokens
 * (RFC 9110, 7.8).
 */
export function listIncludes(value: string, member: string): boolean {
  const wanted = member.toLowerCase();
  // The usual case: the list has one element.
  if (value.length === wanted.length) return value.toLowerCase() === wanted;
  return value.length > wanted.length &&
    value.toLowerCase().split(",").some((element) => trimSpace(element) === wanted);
}

/** The elements of a list of tokens, empty ones left out (RFC 9110, 5.6.1); `null` for a malformed list. */
export function parseTokenList(value: string): string[] | null {
  const scanner = new ListScanner(value);
  const tokens: string[] = [];
  while (scanner.nextElement()) {
    const token = scanner.token();
    if (token === null || !scanner.atElementEnd()) return null;
    tokens.push(token);
  }
  return tokens;
}

/** The elements of a `Sec-WebSocket-Extensions` list (RFC 6455, 9.1); `null` for a malformed list. */
export function parseExtensionList(value: string): Extension[] | null {
  const scanner = new ListScanner(value);
  const extensions: Extension[] = [];
  while (scanner.nextElement()) {
    const extension = parseExtension(scanner);
    if (extension === null || !scanner.atElementEnd()) return null;
    extensions.push(extension);
  }
  return extensions;
}

/** The text of a `Sec-WebSocket-Extensions` list; throws `TypeError` where a part is not a token. */
export function formatExtensionList(extensions: Iterable<Extension>): string {
  const elements: string[] = [];
  for (const { name, params } of extensions) {
    const parts = params.map(({ name, value }) =>
      value === true ? checkToken(name) : `${checkToken(name)}=${checkToken(value)}`
    );
    elements.push([checkToken(name), ...parts].join("; "));
  }
  return elements.join(", ");
}

function parseExtension(scanner: ListScanner): Extension | null {
  const name = scanner.token();
  if (name === null) return null;
  const params: ExtensionParam[] = [];
  while (scanner.take(SEMICOLON)) {
    const param = parseParam(scanner);
    if (param === null) return null;
    params.push(param);
  }
  return { name, params };
}

function parseParam(scanner: ListScanner): ExtensionParam | null {
  const name = scanner.token();
  if (name === null) return null;
  if (!scanner.take(EQUALS)) return { name, value: true };
  const value = scanner.take(QUOTE) ? scanner.quotedToken() : scanner.token();
  return value === null ? null : { name, value };
}

const HTAB = 0x09;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** A position in the text of a list, which only moves forward. */
class ListScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Moves past empty elements to the next one (RFC 9110, 5.6.1.2); false at the end of the list. */
  nextElement(): boolean {
    this.#skipSpace();
    while (this.take(COMMA));
    return this.#at < this.#text.length;
  }

  /** Whether the current element ends here; moves past whitespace. */
  atElementEnd(): boolean {
    this.#skipSpace();
    return this.#at === this.#text.length || this.#text.charCodeAt(this.#at) === COMMA;
  }

  /** Moves past the character and the whitespace around it; false, past whitespace only, if another comes next. */
  take(code: number): boolean {
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at++;
    // Whitespace inside quotes belongs to the value.
    if (code !== QUOTE) this.#skipSpace();
    return true;
  }

  /** Moves past a token and returns it; `null` if none comes next. */
  token(): string | null {
    const start = this.#at;
    while (hasClass(this.#text.charCodeAt(this.#at), TOKEN_CHAR)) this.#at++;
    return this.#at === start ? null : this.#text.slice(start, this.#at);
  }

  /** The text after an opening quote, unescaped; `null` unless it is a token in quotes (RFC 6455, 9.1). */
  quotedToken(): string | null {
    let value = "";
    let code = this.#text.charCodeAt(this.#at);
    while (code !== QUOTE) {
      if (code === BACKSLASH) code = this.#text.charCodeAt(++this.#at);
      if (!hasClass(code, TOKEN_CHAR)) return null;
      value += String.fromCharCode(code);
      code = this.#text.charCodeAt(++this.#at);
    }
    this.#at++;
    return value === "" ? null : value;
  }

  #skipSpace(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }
}

/** Whether the code has the wanted bit; false for `NaN`, which `charCodeAt` gives past the end. */
function hasClass(code: number, wanted: number): boolean {
  return ((charClass[code] ?? 0) & wanted) !== 0;
}

function isSpace(code: number): boolean {
  return code === SPACE || code === HTAB;
}

/** The text without SP and HTAB around it; `String.prototype.trim` would remove U+00A0 as well. */
function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function checkToken(text: string): string {
  if (!isToken(text)) {
    throw new TypeError(`Cannot write ${JSON.stringify(text)} in an extension list: it is not a token`);
  }
  return text;
}

function classifyChars(): Uint8Array {
  const classes = new Uint8Array(256);
  classes[0x09] = VALUE_CHAR;
  classes[0x20] = VALUE_CHAR;
  for (let code = 0x21; code < 0x7f; code++) classes[code] = VALUE_CHAR | VISIBLE_CHAR;
  for (let code = 0x80; code <= 0xff; code++) classes[code] = VALUE_CHAR;
  for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
    classes[char.charCodeAt(0)] = VALUE_CHAR | VISIBLE_CHAR | TOKEN_CHAR;
  }
  return classes;
}
