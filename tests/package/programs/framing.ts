import {
  ByteBuffer,
  type Codec,
  DelimiterCodec,
  FixedLengthCodec,
  Framed,
  FrameTooLongError,
  JsonLinesCodec,
  LengthDelimitedCodec,
  LinesCodec,
  mapCodec,
} from "jackfield/framing";
import { pipe } from "jackfield/net";
import { bytes, equal, text } from "./check.ts";

/** What a codec makes of items, and takes for the same again. */
function coded<T>(codec: () => Codec<T, T>, items: readonly T[]): T[] {
  const buffer = new ByteBuffer();
  const encoder = codec();
  for (const item of items) encoder.encode(item, buffer);
  const decoder = codec();
  const decoded: T[] = [];
  for (let item = decoder.decode(buffer); item !== undefined; item = decoder.decode(buffer)) {
    decoded.push(item);
  }
  return decoded;
}

equal(coded(() => new LinesCodec(), ["one", "zwölf"]), ["one", "zwölf"]);
equal(coded(() => new JsonLinesCodec<number[]>(), [[1, 2], []]), [[1, 2], []]);
equal(coded(() => new LengthDelimitedCodec(), [bytes("one"), bytes("")]).map(text), ["one", ""]);
equal(coded(() => new FixedLengthCodec(3), [bytes("one"), bytes("two")]).map(text), ["one", "two"]);
equal(coded(() => new DelimiterCodec(bytes("--")), [bytes("one"), bytes("two")]).map(text), ["one", "two"]);
const dates = () =>
  mapCodec(new LinesCodec(), {
    decode: (line: string) => new Date(line),
    encode: (date: Date) => date.toISOString(),
  });
equal(coded(dates, [new Date(0)]).map(Number), [0]);

const [here, there] = pipe();
const writer = new Framed(here, new LinesCodec());
const reader = new Framed(there, new LinesCodec({ maxLength: 10 }));
await writer.writeMany(["short", "a line that is too long"]);
equal(await reader.read(), "short");
equal(await reader.read().catch((error: unknown) => error instanceof FrameTooLongError), true);
await Promise.all([writer.close(), reader.close()]);
console.log("ok");
