/** Random sequences of frames, valid and damaged. */

import type { Random } from "../bytes/random.ts";
import { join, type Role, utf8 } from "../protocol/wire.ts";

/** A frame, valid or not. */
export interface LooseFrame {
  fin: boolean;
  /** Reserved bits: 0x40, 0x20 and 0x10. */
  rsv: number;
  opcode: number;
  masked: boolean;
  key: Uint8Array;
  payload: Uint8Array;
  /** Form of the length; `null` for the shortest. */
  form: 7 | 16 | 64 | null;
  /** The length in the header, if it differs from the payload's. */
  announced: bigint | null;
}

/** Frames for `role` to receive, of fewer than `messages` messages; about half of the results are valid. */
export function randomWire(random: Random, role: Role, messages = 4): Uint8Array {
  const frames = soundFrames(random, role, messages);
  const spoiled = random.below(10);
  if (spoiled >= 3 && spoiled < 8) times(1 + random.below(2), () => spoilFrames(random, frames));
  const wire = join(frames.map(encode));
  return spoiled >= 7 ? spoilBytes(random, wire) : wire;
}

/** Some messages in fragments, control frames between them, mostly with a close frame at the end. */
export function soundFrames(random: Random, role: Role, messages = 4): LooseFrame[] {
  const frames: LooseFrame[] = [];
  const add = (fin: boolean, opcode: number, payload: Uint8Array) => {
    const masked = role === "server";
    const key = random.oneIn(10) ? new Uint8Array(4) : random.bytes(4);
    frames.push({ fin, rsv: 0, opcode, masked, key, payload, form: null, announced: null });
  };
  const addControls = () => {
    while (random.oneIn(4)) add(true, random.pick([9, 10]), random.bytes(controlLength(random)));
  };
  times(random.below(messages), () => {
    const opcode = random.pick([1, 2]);
    addControls();
    const parts = fragments(random, message(random, opcode === 1));
    for (const [i, part] of parts.entries()) {
      add(i === parts.length - 1, i === 0 ? opcode : 0, part);
      addControls();
    }
  });
  if (!random.oneIn(3)) add(true, 8, closePayload(random));
  if (random.oneIn(8)) add(true, 1, utf8("after the end"));
  return frames;
}

export function encode({ fin, rsv, opcode, masked, key, payload, form, announced }: LooseFrame): Uint8Array {
  const length = announced ?? BigInt(payload.length);
  const written = form ?? (length < 126n ? 7 : length < 65536n ? 16 : 64);
  const head = new DataView(new ArrayBuffer(14));
  head.setUint8(0, (fin ? 0x80 : 0) | rsv | opcode);
  head.setUint8(
    1,
    (masked ? 0x80 : 0) | (written === 7 ? Number(length & 127n) : written === 16 ? 126 : 127),
  );
  if (written === 16) head.setUint16(2, Number(length & 0xffffn));
  if (written === 64) head.setBigUint64(2, length);
  const headBytes = new Uint8Array(head.buffer, 0, written === 7 ? 2 : written === 16 ? 4 : 10);
  if (!masked) return join([headBytes, payload]);
  return join([headBytes, key, payload.map((byte, i) => byte ^ key[i % 4]!)]);
}

const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999];
const BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];

/** Lengths whose sums come close to the limits. */
export const READ_LIMITS: readonly number[] = [1 << 20, 1 << 20, 100, 125, 126, 1000];

const HUGE = [
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n + 5n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Bytes that are invalid or incomplete UTF-8. */
const NOT_UTF8 = [
  [0x80],
  [0xc0, 0x80],
  [0xc3],
  [0xe0, 0x80, 0x80],
  [0xe2, 0x82],
  [0xed, 0xa0, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf0, 0x9f, 0x98],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0xff],
];

function message(random: Random, text: boolean): Uint8Array {
  const length = random.oneIn(60)
    ? random.pick([65535, 65536, 70_000])
    : random.oneIn(4)
    ? random.pick([0, 1, 124, 125, 126, 127, 128, 999, 1000, 1001])
    : random.below(60);
  if (!text) return random.bytes(length);
  return length < 200 ? utf8(random.text(length)) : utf8(random.text(20) + "x".repeat(length));
}

/** The bytes split anywhere, inside characters too; some parts are empty. */
function fragments(random: Random, message: Uint8Array): Uint8Array[] {
  if (random.oneIn(2)) return [message];
  const cuts = Array.from({ length: 1 + random.below(4) }, () => random.below(message.length + 1));
  const borders = [0, ...cuts.sort((a, b) => a - b), message.length];
  return borders.slice(1).map((end, i) => message.subarray(borders[i]!, end));
}

function controlLength(random: Random): number {
  return random.oneIn(4) ? random.pick([0, 125]) : random.below(20);
}

function closePayload(random: Random): Uint8Array {
  if (random.oneIn(4)) return new Uint8Array(0);
  return closeBody(
    random.pick(CODES),
    utf8(random.oneIn(10) ? "r".repeat(123) : random.text(random.below(20))),
  );
}

function closeBody(code: number, reason: Uint8Array): Uint8Array {
  return join([Uint8Array.of(code >> 8, code), reason]);
}

/** Changes one property of one frame, or the order of frames. */
function spoilFrames(random: Random, frames: LooseFrame[]): void {
  if (frames.length === 0) return;
  const at = random.below(frames.length);
  random.pick(SPOILERS)(random, frames[at]!, frames, at);
}

type Spoiler = (random: Random, frame: LooseFrame, frames: LooseFrame[], at: number) => void;

const SPOILERS: readonly Spoiler[] = [
  (random, frame) => frame.rsv = random.pick([0x40, 0x20, 0x10, 0x70]),
  (random, frame) => frame.opcode = random.below(16),
  (_, frame) => frame.masked = !frame.masked,
  (_, frame) => frame.fin = !frame.fin,
  (random, frame) => frame.form = random.pick([16, 64]),
  (random, frame) => {
    frame.form = random.pick([16, 64, null]);
    frame.payload = new Uint8Array(random.pick([0, 125, 126, frame.form === 16 ? 127 : 65535, 65536])).fill(
      0x61,
    );
  },
  (random, frame) => frame.announced = random.pick(HUGE),
  (random, frame) => frame.announced = BigInt(Math.max(0, frame.payload.length - 3 + random.below(7))),
  (random, frame) => frame.payload = spoilText(random, frame.payload),
  (random, frame) => frame.payload = random.bytes(random.pick([1, 126, 127, 200])),
  (random, frame, frames, at) => frames.splice(at, 0, closing(random, frame)),
  (_, frame, frames, at) => frames.splice(at, 0, { ...frame }),
  (_, _frame, frames, at) => frames.splice(at, 1),
  (random, _frame, frames, at) => frames.push(...frames.splice(at, 1 + random.below(2))),
  (random, frame, frames, at) => {
    const empty = {
      ...frame,
      opcode: random.pick([0, 1, 2]),
      fin: random.oneIn(3),
      payload: new Uint8Array(0),
    };
    frames.splice(at, 0, ...Array.from({ length: 1 + random.below(20) }, () => ({ ...empty })));
  },
];

/** A close frame whose code or reason is not allowed. */
function closing(random: Random, like: LooseFrame): LooseFrame {
  const good = utf8(random.text(3));
  const payload = random.oneIn(3)
    ? random.bytes(1)
    : random.oneIn(2)
    ? closeBody(random.pick(BAD_CODES), good)
    : closeBody(random.pick(CODES), spoilText(random, good));
  return { ...like, fin: true, opcode: 8, payload, form: null, announced: null };
}

function spoilText(random: Random, payload: Uint8Array): Uint8Array {
  const at = random.below(payload.length + 1);
  const lost = random.below(3);
  const wrong = Uint8Array.from(random.pick(NOT_UTF8));
  return join([payload.subarray(0, at), wrong, payload.subarray(Math.min(at + lost, payload.length))]);
}

/** Damages a wire: flips bits; removes, repeats or inserts bytes; or cuts off the end. */
export function spoilBytes(random: Random, wire: Uint8Array): Uint8Array {
  const at = random.below(wire.length + 1);
  const end = Math.min(wire.length, at + 1 + random.below(8));
  const [before, some, after] = [wire.subarray(0, at), wire.subarray(at, end), wire.subarray(end)];
  switch (random.below(5)) {
    case 0:
      return join([before, some.map((byte) => byte ^ (1 << random.below(8))), after]);
    case 1:
      return join([before, after]);
    case 2:
      return join([before, some, some, after]);
    case 3:
      return join([before, random.bytes(1 + random.below(8)), some, after]);
    default:
      return before.slice();
  }
}

function times(count: number, act: () => unknown): void {
  for (let i = 0; i < count; i++) act();
}
