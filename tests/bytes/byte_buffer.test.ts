import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import { bounded, fc } from "../framing/feed.ts";

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const bytes = (value: string): Uint8Array => Uint8Array.from(value, (char) => char.charCodeAt(0));

function filled(...chunks: string[]): ByteBuffer {
  const buffer = new ByteBuffer();
  for (const chunk of chunks) buffer.append(bytes(chunk));
  return buffer;
}

/** Large enough to be kept as it is. */
const large = (fill: number, size = 4096): Uint8Array => new Uint8Array(size).fill(fill);

describe("append and take", () => {
  it("give the bytes back, however they were cut", () => {
    for (let size = 1; size <= 12; size++) {
      const buffer = new ByteBuffer();
      for (let at = 0; at < 12; at += size) buffer.append(bytes("hello, world".slice(at, at + size)));
      assert.equal(buffer.length, 12);
      assert.equal(text(buffer.take(5)), "hello");
      assert.equal(text(buffer.take(0)), "");
      assert.equal(text(buffer.take(7)), ", world");
      assert.equal(buffer.length, 0);
      assert.equal(buffer.position, 12);
    }
  });

  it("do not copy a chunk that comes while nothing waits", () => {
    const buffer = new ByteBuffer();
    const chunk = bytes("abc");
    buffer.append(chunk);
    assert.equal(buffer.take(3), chunk);
    buffer.append(chunk);
    assert.equal(buffer.take(2).buffer, chunk.buffer);
  });

  it("do not copy large chunks, and join them only for what lies across", () => {
    const buffer = new ByteBuffer();
    const [a, b] = [large(1), large(2)];
    buffer.append(a);
    buffer.append(b);
    assert.equal(buffer.take(4000).buffer, a.buffer);
    assert.deepEqual(buffer.take(192), Uint8Array.from({ length: 192 }, (_, i) => i < 96 ? 1 : 2));
    assert.equal(buffer.take(4000).buffer, b.buffer);
    assert.equal(buffer.length, 0);
  });

  it("ignore empty chunks", () => {
    const buffer = filled("", "a", "", "b", "");
    assert.equal(text(buffer.take(2)), "ab");
    assert.equal(text(buffer.take(0)), "");
  });

  it("leave what was taken alone when more comes", () => {
    const buffer = filled("a", "b");
    buffer.skip(1);
    const taken = buffer.take(1);
    buffer.append(bytes("c"));
    buffer.append(bytes("d"));
    assert.equal(text(taken), "b");
    assert.equal(text(buffer.take(2)), "cd");
  });

  it("refuse what is not there", () => {
    const buffer = filled("abc");
    for (const n of [4, -1, NaN]) {
      const message = `the buffer holds 3 bytes`;
      assert.throws(() => buffer.take(n), new RangeError(`Cannot take ${n}: ${message}`));
      assert.throws(() => buffer.skip(n), new RangeError(`Cannot skip ${n}: ${message}`));
    }
    assert.throws(() => buffer.peek(3), RangeError);
    assert.equal(text(buffer.take(3)), "abc");
  });
});

describe("indexOf, peek and head", () => {
  it("indexOf() finds a byte from each place on", () => {
    const whole = "ab\ncd\n\nx";
    for (const chunks of [[whole], [...whole], ["ab", "\ncd\n", "\nx"]]) {
      const buffer = filled(...chunks);
      for (let from = 0; from <= whole.length + 1; from++) {
        assert.equal(buffer.indexOf(10, from), whole.indexOf("\n", from), `from ${from}`);
        if (from > whole.length) continue;
        assert.equal(buffer.indexOf(120, from), from > 7 ? -1 : 7);
      }
      assert.equal(buffer.indexOf(10), 2);
      assert.equal(buffer.indexOf(0), -1);
    }
  });

  it("indexOf() does not see what was consumed, nor the room behind the end", () => {
    const buffer = filled("x\n", "y\n", "z");
    buffer.skip(4);
    assert.equal(buffer.indexOf(10), -1);
    assert.equal(buffer.indexOf(0), -1);
    assert.equal(buffer.indexOf(122), 0);
  });

  it("peek() and view() consume nothing", () => {
    const buffer = filled("ab", "cd", "ef");
    buffer.skip(1);
    assert.equal([0, 1, 2, 3, 4].map((at) => String.fromCharCode(buffer.peek(at))).join(""), "bcdef");
    assert.equal(text(buffer.view(5)), "bcdef");
    assert.equal(buffer.length, 5);
  });

  it("head() is what lies in one piece", () => {
    const buffer = new ByteBuffer();
    assert.equal(buffer.head(9).length, 0);
    buffer.append(large(1));
    buffer.append(large(2));
    assert.equal(buffer.head(9).length, 9);
    assert.equal(buffer.head(9999).length, 4096);
    buffer.skip(4000);
    assert.equal(buffer.head(9999).length, 96);
    assert.equal(buffer.length, 4192);
  });

  it("headUpToLast() ends with the last such byte of the first ones", () => {
    const found = (buffer: ByteBuffer, max: number, from = 0): string | null => {
      const head = buffer.headUpToLast(10, max, from);
      return head === null ? null : text(head);
    };
    assert.equal(found(new ByteBuffer(), 9), null);
    // Pieces of "ab\n", "c" and "d\ne\nf", and one that is too long to be copied.
    const buffer = new ByteBuffer();
    for (const part of ["x".repeat(599) + "\n", "c", "d\ne\n" + "f".repeat(600), "g\n".repeat(3000)]) {
      buffer.append(bytes(part));
    }
    assert.equal(found(buffer, 9), null);
    assert.equal(found(buffer, 9999), "x".repeat(599) + "\n");
    buffer.skip(600);
    assert.equal(found(buffer, 2), null);
    assert.equal(found(buffer, 3), "cd\n");
    assert.equal(found(buffer, 5), "cd\ne\n");
    assert.equal(found(buffer, 600, 3), "cd\ne\n");
    assert.equal(found(buffer, 600, 5), null);
    const most = found(buffer, 9999)!;
    assert.equal(most, text(buffer.view(most.length)));
    assert.equal(most.length, 4095);
    assert.equal(buffer.length, 1 + 604 + 6000);
  });

  it("headUpToLast() agrees with the bytes in one piece, wherever they were cut", () => {
    const wire = "a\nbb\n\nccc\ndddd".repeat(3);
    for (let first = 1; first < wire.length; first++) {
      for (let second = first; second < wire.length; second += 3) {
        const buffer = new ByteBuffer();
        buffer.reserve(first).set(bytes(wire.slice(0, first)));
        buffer.commit(first);
        buffer.append(new Uint8Array(0));
        for (const part of [wire.slice(first, second), wire.slice(second)]) {
          buffer.reserve(100);
          // What is reserved by somebody else in between makes it another piece.
          new ByteBuffer().commit(1);
          buffer.reserve(part.length).set(bytes(part));
          buffer.commit(part.length);
        }
        const expected = wire.slice(0, first).lastIndexOf("\n") >= 0 ? wire.slice(0, first) : wire;
        const head = buffer.headUpToLast(10, 9999, 0);
        assert.equal(text(head!), expected.slice(0, expected.lastIndexOf("\n") + 1));
      }
    }
  });
});

describe("reserve and commit", () => {
  const write = (buffer: ByteBuffer, value: string): void => {
    buffer.reserve(100).set(bytes(value));
    buffer.commit(value.length);
  };

  it("add what was written, in one piece and among chunks", () => {
    const buffer = new ByteBuffer();
    write(buffer, "ab");
    write(buffer, "cd");
    assert.equal(text(buffer.head(9)), "abcd");
    buffer.append(bytes("ef"));
    write(buffer, "gh");
    write(buffer, "");
    assert.equal(buffer.indexOf(0), -1);
    assert.equal(text(buffer.take(8)), "abcdefgh");
    assert.equal(buffer.length, 0);
  });

  it("give no byte out twice", () => {
    const [a, b] = [new ByteBuffer(), new ByteBuffer()];
    write(a, "a1");
    write(b, "b1");
    const taken = a.take(2);
    b.reserve(100).fill(0xff);
    for (let i = 0; i < 2000; i++) write(i % 2 === 0 ? a : b, i % 2 === 0 ? "a2" : "b2");
    assert.equal(text(taken), "a1");
    assert.equal(text(a.take(2000)), "a2".repeat(1000));
    assert.equal(text(b.take(2002)), "b1" + "b2".repeat(1000));
  });

  it("refuse more than there is room", () => {
    const buffer = new ByteBuffer();
    buffer.reserve(100_000);
    assert.throws(() => buffer.commit(100_001), RangeError);
    assert.throws(() => buffer.commit(-1), RangeError);
    buffer.commit(100_000);
    assert.equal(buffer.length, 100_000);
  });
});

describe("memory", () => {
  /** Bytes of all the arrays that the buffer was seen to hand out. */
  const held = (buffer: ByteBuffer): number => {
    const arrays = new Set<ArrayBufferLike>();
    let size = 0;
    while (buffer.length > 0) {
      const head = buffer.head(buffer.length);
      if (!arrays.has(head.buffer)) size += head.buffer.byteLength;
      arrays.add(head.buffer);
      buffer.skip(head.length);
    }
    return size;
  };

  it("single bytes cost a small multiple of their number", () => {
    const buffer = new ByteBuffer();
    for (let i = 0; i < 100_000; i++) buffer.append(Uint8Array.of(i));
    assert.ok(held(buffer) < 300_000);
  });

  it("a small view does not keep its large buffer alive", () => {
    const buffer = new ByteBuffer();
    for (let i = 0; i < 100; i++) buffer.append(new Uint8Array(65536).subarray(0, 2000));
    buffer.compact();
    assert.ok(held(buffer) < 500_000);
  });

  it("compact() lets go of a chunk of which little is left, and of nothing else", () => {
    const buffer = new ByteBuffer();
    const chunk = large(7, 65536);
    buffer.append(chunk);
    buffer.compact();
    assert.equal(buffer.head(1).buffer, chunk.buffer);
    buffer.skip(65530);
    buffer.compact();
    assert.equal(buffer.head(1).buffer.byteLength, 6);
    assert.deepEqual(buffer.take(6), large(7, 6));
    buffer.compact();
    assert.equal(buffer.position, 65536);
  });
});

describe("cost", () => {
  /** Counts bytes that are copied or searched, and looks at segments, while `run` runs: what time is made of. */
  const workOf = (run: () => void): number => {
    let work = 0;
    const { set, indexOf } = Uint8Array.prototype;
    const { push } = Array.prototype;
    Uint8Array.prototype.set = function (this: Uint8Array, from, offset) {
      work += from.length;
      set.call(this, from, offset);
    };
    Uint8Array.prototype.indexOf = function (this: Uint8Array, byte, from) {
      work += this.length - (from ?? 0);
      return indexOf.call(this, byte, from);
    };
    // A segment is an object with a start, which is read wherever the buffer passes it.
    Array.prototype.push = function (this: unknown[], ...items: unknown[]) {
      return push.apply(this, items.map((item) => isSegment(item) ? counted(item, () => work++) : item));
    };
    try {
      run();
    } finally {
      Object.assign(Uint8Array.prototype, { set, indexOf });
      Object.assign(Array.prototype, { push });
    }
    return work;
  };
  const isSegment = (item: unknown): item is { start: number } => Object.hasOwn(Object(item), "start");
  const counted = (segment: { start: number }, count: () => void): object =>
    new Proxy(segment, {
      get(target, name) {
        if (name === "start") count();
        return Reflect.get(target, name);
      },
    });

  /** The work for each byte of a stream of `size` bytes that is put in, searched and taken, cut up like this. */
  const workPerByte = (size: number, chunk: number, taken: number): number => {
    const chunks = Array.from({ length: size / chunk }, () => new Uint8Array(chunk));
    const found: number[] = new Array(chunks.length).fill(0);
    const work = workOf(() => {
      const buffer = new ByteBuffer();
      for (const [i, chunk] of chunks.entries()) {
        buffer.append(chunk);
        found[i] = buffer.indexOf(10, buffer.length - chunk.length);
      }
      for (let at = 0; at < size; at += taken) buffer.take(taken);
    });
    assert.ok(found.every((at) => at === -1));
    return work / size;
  };

  for (const [chunk, size] of [[1, 6_000], [1500, 600_000]] as const) {
    it(`is linear in chunks of ${chunk}`, () => {
      for (const parts of [1, 4]) {
        const [small, large] = [1, 16].map((n) => workPerByte(n * size, chunk, n * size / parts));
        // Each byte is copied and searched once or twice, and a chunk's segment looked at a few times.
        assert.ok(small! >= 1 && small! < 10, `${small} a byte for ${size}`);
        assert.ok(large! < 1.5 * small!, `${small} a byte for ${size}, ${large} for ${16 * size}`);
      }
    });
  }
});

describe("any sequence of calls", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ append: fc.uint8Array({ maxLength: 30 }) }),
      fc.record({ append: fc.integer({ min: 1000, max: 3000 }).map((size) => large(size & 255, size)) }),
      fc.record({ take: fc.nat(4000) }),
      fc.record({ skip: fc.nat(4000) }),
      fc.record({ find: fc.nat(255), from: fc.nat(4000) }),
      fc.record({ commit: fc.uint8Array({ maxLength: 30 }) }),
      fc.record({ compact: fc.constant(true) }),
    ),
    { maxLength: 60 },
  );

  it("acts like one array", () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const buffer = new ByteBuffer();
        let model: number[] = [];
        for (const step of steps) {
          if ("append" in step) {
            model.push(...step.append);
            buffer.append(step.append.slice());
          } else if ("commit" in step) {
            model.push(...step.commit);
            buffer.reserve(40).set(step.commit);
            buffer.commit(step.commit.length);
          } else if ("take" in step) {
            const n = Math.min(step.take, model.length);
            assert.deepEqual([...buffer.take(n)], model.slice(0, n));
            model = model.slice(n);
          } else if ("skip" in step) {
            const n = Math.min(step.skip, model.length);
            buffer.skip(n);
            model = model.slice(n);
          } else if ("find" in step) {
            assert.equal(buffer.indexOf(step.find, step.from), model.indexOf(step.find, step.from));
            if (step.from < model.length) assert.equal(buffer.peek(step.from), model[step.from]);
          } else {
            buffer.compact();
          }
          assert.equal(buffer.length, model.length);
        }
        assert.deepEqual([...buffer.take(model.length)], model);
      }),
      bounded,
    );
  });
});

describe("pieceAt", () => {
  it("gives all bytes from any offset on, piece after piece, as views", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 12 }),
        fc.nat(200),
        fc.nat(),
        (sizes, skipped, start) => {
          const whole = Uint8Array.from(
            { length: sizes.reduce((sum, size) => sum + size, 0) },
            (_, i) => i % 251,
          );
          const buffer = new ByteBuffer();
          let at = 0;
          for (const size of sizes) buffer.append(whole.slice(at, at += size));
          skipped = Math.min(skipped, whole.length);
          buffer.skip(skipped);
          const seen: number[] = [];
          const from = start % (buffer.length + 1);
          for (let offset = from; offset < buffer.length;) {
            const piece = buffer.pieceAt(offset);
            assert.ok(piece.length > 0);
            seen.push(...piece);
            offset += piece.length;
          }
          assert.deepEqual(Uint8Array.from(seen), whole.slice(skipped + from));
        },
      ),
      bounded,
    );
  });

  it("is empty at the end, and knows no bytes beyond", () => {
    const buffer = filled("ab");
    assert.equal(buffer.pieceAt(2).length, 0);
    assert.equal(new ByteBuffer().pieceAt(0).length, 0);
    for (const offset of [-1, 3, NaN]) assert.throws(() => buffer.pieceAt(offset), RangeError);
  });
});
