/**
 * A model of RFC 6455 for a whole wire, as plain as possible: slow, in one pass, and without code in common with the
 * library.
 */

import { toHex } from "../protocol/wire.ts";

/** One event of a receiver: text as it is, bytes in hexadecimal, or the close code of a fault. */
export type Heard =
  | readonly [kind: "text" | "binary" | "ping" | "pong", what: string]
  | readonly [kind: "close", code: number, reason: string]
  | readonly [kind: "fault", code: number];

/** Known differences of the other side of the comparison; the names are the keys of its table. */
export type Doubt = "shortest length" | "highest bit" | "text so far" | "half a head" | "half a close";

/** The events, and the points at which another receiver may differ. */
export interface Model {
  readonly heard: readonly Heard[];
  readonly doubts: ReadonlySet<Doubt>;
}

interface Settings {
  /** Whether the sender is a client, which masks. */
  masked: boolean;
  readLimit: number;
}

/** Reads the wire as far as it goes. */
export function readWire(wire: Uint8Array, { masked, readLimit }: Settings): Model {
  const heard: Heard[] = [];
  const doubts = new Set<Doubt>();
  const result = { heard, doubts };
  const fault = (code: number): Model => {
    heard.push(["fault", code]);
    return result;
  };
  let message: { text: boolean; bytes: number[]; announced: bigint } | null = null;
  for (let at = 0; wire.length - at >= 2;) {
    const [first, second] = [wire[at]!, wire[at + 1]!];
    const [fin, opcode, short] = [first >= 0x80, first & 15, second & 0x7f];
    // 5.2: nothing that was negotiated gives a meaning to a reserved bit or opcode.
    if ((first & 0x70) !== 0 || ![0, 1, 2, 8, 9, 10].includes(opcode)) return fault(1002);
    // 5.1
    if (second >= 0x80 !== masked) return fault(1002);
    // 5.5
    if (opcode >= 8 && (!fin || short > 125)) return fault(1002);
    // 5.4
    if (opcode < 8 && (opcode === 0) !== (message !== null)) return fault(1002);
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const start = at + 2 + lengthBytes + (masked ? 4 : 0);
    if (wire.length < start) {
      doubts.add("half a head");
      return result;
    }
    const length = lengthBytes === 0 ? BigInt(short) : bigEndian(wire.subarray(at + 2, at + 2 + lengthBytes));
    // 5.2
    if (length >= 2n ** 63n) return doubts.add("highest bit"), fault(1002);
    if (length < (short === 126 ? 126n : short === 127 ? 65536n : 0n)) {
      return doubts.add("shortest length"), fault(1002);
    }
    if (opcode === 1 || opcode === 2) message = { text: opcode === 1, bytes: [], announced: 0n };
    if (opcode < 8) {
      message!.announced += length;
      if (message!.announced > BigInt(readLimit)) return fault(1009);
    }
    const whole = BigInt(wire.length - start) >= length;
    const end = whole ? start + Number(length) : wire.length;
    const key = masked ? wire.subarray(start - 4, start) : [0, 0, 0, 0];
    const payload = wire.slice(start, end).map((byte, i) => byte ^ key[i % 4]!);
    at = end;
    if (opcode < 8) {
      for (const byte of payload) message!.bytes.push(byte);
      const bytes = Uint8Array.from(message!.bytes);
      const last = whole && fin;
      // 8.1
      if (message!.text && !(last ? isText(bytes) : beginsText(bytes))) {
        if (!last) doubts.add("text so far");
        return fault(1007);
      }
      if (!last) continue;
      heard.push(message!.text ? ["text", decode(bytes)] : ["binary", toHex(bytes)]);
      message = null;
    } else if (!whole) {
      if (opcode === 8 && length === 1n) doubts.add("half a close");
    } else if (opcode === 8) {
      heard.push(closeOf(payload));
      return result;
    } else heard.push([opcode === 9 ? "ping" : "pong", toHex(payload)]);
  }
  return result;
}

/** 5.5.1, 7.4 and 8.1. */
function closeOf(payload: Uint8Array): Heard {
  if (payload.length === 0) return ["close", 1005, ""];
  if (payload.length === 1) return ["fault", 1002];
  const code = payload[0]! * 256 + payload[1]!;
  const registered = code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
  if (!registered && !(code >= 3000 && code <= 4999)) return ["fault", 1002];
  const reason = payload.subarray(2);
  return isText(reason) ? ["close", code, decode(reason)] : ["fault", 1007];
}

function bigEndian(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

function isText(bytes: Uint8Array): boolean {
  try {
    decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** What may still become text: some end makes it so. */
function beginsText(bytes: Uint8Array): boolean {
  const ends = [[], [0x80], [0xbf], [0x80, 0x80], [0xbf, 0xbf], [0x80, 0x80, 0x80], [0xbf, 0xbf, 0xbf]];
  return ends.some((end) => isText(Uint8Array.from([...bytes, ...end])));
}
