/** What the socket is given, piece by piece, and what is counted meanwhile. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { webText } from "../../adapters/web_text.ts";
import { BufferPool } from "../../src/bytes/buffer_pool.ts";
import { FIN, Opcode } from "../../src/protocol/frame_header.ts";
import { FrameWriter } from "../../src/protocol/frame_writer.ts";
import { type ByteSink, MAX_PIECE_BYTES, OutputQueue } from "../../src/protocol/output_queue.ts";
import { hex, join, toHex } from "./wire.ts";

function newQueue() {
  const queue = new OutputQueue(new BufferPool());
  return { queue, writer: new FrameWriter(queue, { nextKey: null, text: webText }) };
}

/** What the queue counts. */
function counts({ bufferedBytes, acceptedBytes, acceptedInOrder, writtenInOrder }: OutputQueue): number[] {
  return [bufferedBytes, acceptedBytes, acceptedInOrder, writtenInOrder];
}

function takeAll(queue: OutputQueue): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let piece = queue.take(); piece !== null; piece = queue.take()) {
    pieces.push(piece.slice());
    queue.release();
  }
  return join(pieces);
}

/** A sink that accepts everything at once, or is busy with the first bytes. */
class Sink implements ByteSink {
  readonly writes: Uint8Array[] = [];
  readonly #busy: boolean;

  constructor(busy = false) {
    this.#busy = busy;
  }

  write(bytes: Uint8Array): boolean {
    this.writes.push(bytes);
    return !this.#busy;
  }
}

const SIZE = 2 * MAX_PIECE_BYTES + 100;

describe("pieces of an output queue", () => {
  it("are 256 KiB at most, and each counts when it is accepted", () => {
    const { queue } = newQueue();
    const bytes = new Uint8Array(SIZE).map((_, i) => i * 7);
    queue.append(bytes);
    let accepted = 0;
    for (const size of [MAX_PIECE_BYTES, MAX_PIECE_BYTES, 100]) {
      assert.ok(queue.pending && !queue.busy);
      const piece = queue.take()!;
      assert.equal(piece.buffer, bytes.buffer, "is not copied");
      assert.deepEqual([piece.byteOffset, piece.length], [accepted, size]);
      assert.deepEqual(counts(queue), [SIZE - accepted, accepted, accepted, SIZE]);
      assert.ok(queue.busy);
      assert.ok(queue.take() === null, "one piece is out");
      queue.release();
      accepted += size;
      assert.deepEqual(counts(queue), [SIZE - accepted, accepted, accepted, SIZE]);
      queue.release();
      assert.deepEqual(counts(queue), [SIZE - accepted, accepted, accepted, SIZE], "a second release");
    }
    assert.ok(!queue.pending && !queue.busy);
    assert.ok(queue.take() === null);
  });

  it("let no control frame in before the frame has ended", () => {
    const { queue, writer } = newQueue();
    writer.writeText("first", FIN | Opcode.Text);
    takeAll(queue);
    const before = queue.acceptedBytes;
    queue.append(new Uint8Array(SIZE));
    queue.take();
    writer.writeControl(Opcode.Ping, hex("31"));
    queue.release();
    assert.deepEqual(counts(queue), [
      SIZE - MAX_PIECE_BYTES + 3,
      before + MAX_PIECE_BYTES,
      before + MAX_PIECE_BYTES,
      before + SIZE,
    ]);
    const rest = takeAll(queue);
    assert.equal(rest.length, SIZE - MAX_PIECE_BYTES + 3);
    assert.equal(toHex(rest.subarray(-3)), "890131");
    assert.deepEqual(counts(queue), [0, before + SIZE + 3, before + SIZE, before + SIZE]);
  });

  it("are zeros once the buffer was transferred away, as many as were promised", () => {
    for (const accepted of [0, 1, 2]) {
      const { queue, writer } = newQueue();
      const bytes = new Uint8Array(SIZE).fill(7);
      queue.append(bytes);
      for (let i = 0; i < accepted; i++) {
        assert.ok(queue.take()!.every((byte) => byte === 7));
        queue.release();
      }
      structuredClone(bytes, { transfer: [bytes.buffer] });
      writer.writeText("after", FIN | Opcode.Text);
      const rest = takeAll(queue);
      const zeros = SIZE - accepted * MAX_PIECE_BYTES;
      assert.equal(rest.length, zeros + 7);
      assert.ok(rest.subarray(0, zeros).every((byte) => byte === 0));
      assert.equal(toHex(rest.subarray(zeros)), "81056166746572");
      assert.equal(queue.bufferedBytes, 0);
    }
  });

  it("drop() keeps the piece that is out, and nothing of the rest", () => {
    const { queue } = newQueue();
    queue.append(new Uint8Array(SIZE));
    queue.take();
    queue.drop();
    assert.ok(queue.busy && !queue.pending);
    assert.equal(queue.bufferedBytes, MAX_PIECE_BYTES);
    queue.release();
    assert.equal(queue.bufferedBytes, 0);
    assert.ok(queue.take() === null);
  });

  it("drop() between two pieces leaves nothing", () => {
    const { queue } = newQueue();
    queue.append(new Uint8Array(SIZE));
    queue.take();
    queue.release();
    queue.drop();
    assert.deepEqual([queue.busy, queue.pending, queue.bufferedBytes], [false, false, 0]);
    assert.ok(queue.take() === null);
  });
});

describe("encoded frames and a sink", () => {
  const frames = hex("8203010203");

  it("go straight to the sink where nothing waits", () => {
    const { queue } = newQueue();
    const sink = new Sink();
    queue.appendEncoded(frames, sink);
    assert.equal(sink.writes[0], frames);
    assert.deepEqual(counts(queue), [0, 5, 5, 5]);
    assert.ok(queue.take() === null);
  });

  it("count until a busy sink has accepted them", () => {
    const { queue, writer } = newQueue();
    queue.appendEncoded(frames, new Sink(true));
    assert.ok(queue.busy && !queue.pending);
    assert.deepEqual(counts(queue), [5, 0, 0, 5]);
    writer.writeText("x", FIN | Opcode.Text);
    writer.writeControl(Opcode.Ping, hex("31"));
    assert.ok(queue.take() === null);
    queue.release();
    assert.deepEqual(counts(queue), [6, 5, 5, 8]);
    assert.equal(toHex(takeAll(queue)), "890131" + "810178", "a control frame may follow them");
  });

  it("keep their place behind what waits or is out", () => {
    const { queue, writer } = newQueue();
    const sink = new Sink();
    writer.writeText("x", FIN | Opcode.Text);
    queue.appendEncoded(frames, sink);
    assert.equal(toHex(queue.take()!), "810178" + "8203010203");
    queue.appendEncoded(frames, sink);
    queue.release();
    assert.equal(toHex(takeAll(queue)), "8203010203");
    assert.equal(sink.writes.length, 0);
  });

  it("are queued where they are more than one piece", () => {
    const { queue } = newQueue();
    const sink = new Sink();
    queue.appendEncoded(new Uint8Array(MAX_PIECE_BYTES + 1), sink);
    assert.equal(sink.writes.length, 0);
    assert.equal(takeAll(queue).length, MAX_PIECE_BYTES + 1);
    queue.appendEncoded(new Uint8Array(MAX_PIECE_BYTES), sink);
    assert.equal(sink.writes.length, 1);
  });
});
