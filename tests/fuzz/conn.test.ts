/**
 * Random events on a connection in memory: chunks of a random wire, calls of the application, stalls of the network,
 * passing time, either side leaving. In all cases the connection ends and every pending call settles.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CloseInfo, NetError } from "../../mod.ts";
import { Random } from "../bytes/random.ts";
import { join, type Role, roles, toHex } from "../protocol/wire.ts";
import { type Frame, OP } from "../websocket/raw_peer.ts";
import { settle } from "../websocket/test_socket.ts";
import { limit, runCases } from "./cases.ts";
import { CLOSE_TIMEOUT, heard, READ_LIMIT, Run } from "./conn_run.ts";
import { type Heard, readWire } from "./frame_model.ts";
import { randomWire } from "./frames.ts";

type Action = (run: Run, random: Random) => unknown;

/** Frequent events; a repeated one is as many times as likely. */
const ACTIONS: readonly Action[] = [
  ...Array<Action>(6).fill((run) => run.receiveNext()),
  ...Array<Action>(4).fill((run) => run.reads && run.read()),
  ...Array<Action>(3).fill((run, random) =>
    run.write(random.pick([0, 10, 125, 126, 40_000, 300_000]), random)
  ),
  ...Array<Action>(2).fill((run) => void run.conn.clock.endTurn()),
  (run, random) => run.call(run.conn.ws.ping(random.bytes(random.below(126)))),
  (run, random) => run.pong(random.bytes(4)),
  (run) => void (run.conn.socket.full = true),
  (run) => run.drain(true),
  (run) => run.drain(false),
  (run, random) => run.conn.clock.advance(random.below(700)),
  (run, random) => run.conn.ws.setReadDeadline(run.conn.clock.now() + random.below(500)),
  (run) => run.conn.ws.setDeadline(null),
];

/** Rare events, each of which ends the connection. */
const LAST_ACTIONS: readonly Action[] = [
  (run) => run.close(4321),
  (run) => run.conn.ws.closeNow(),
  (run) => run.end(),
  (run) => run.gone(new NetError({ op: "read", network: "tcp", code: "ECONNRESET" })),
];

/**
 * Reads all that comes, then ends the peer. The network takes all output or none; the connection must end in both
 * cases.
 */
async function finish(run: Run, stalls: boolean): Promise<void> {
  const { clock, socket, ws } = run.conn;
  ws.setDeadline(null);
  if (stalls) socket.full = true;
  for (let i = 0; i < 5000 && !run.received && ws.state === "open"; i++) {
    run.receiveNext();
    run.read();
    if (!stalls) run.drain(true);
    await settle();
  }
  assert.ok(run.received || ws.state !== "open", "reading did not go on");
  run.end();
  // Everything has a bound in time: progress moves it, silence does not.
  for (let i = 0; i < 20 && !run.isGone; i++) {
    if (!stalls) run.drain(true);
    clock.endTurn();
    clock.advance(CLOSE_TIMEOUT);
    run.obey();
    await settle();
  }
  assert.ok(run.isGone, "it never ended");
}

async function checkRun(role: Role, wire: Uint8Array, random: Random): Promise<void> {
  const run = new Run(role, random.cut(wire, 1 + random.below(600)), random.oneIn(2));
  for (let i = random.below(60); i > 0; i--) {
    const actions = random.oneIn(25) ? LAST_ACTIONS : ACTIONS;
    random.pick(actions)(run, random);
    if (random.oneIn(3)) await settle();
    if (random.oneIn(3)) run.obey();
  }
  await finish(run, random.oneIn(3));
  // What is there is still read, and then the reason.
  for (let i = 0; i < 200; i++) run.read();
  await settle();
  assert.equal(run.calls, 0, "calls still wait");
  assert.deepEqual(run.faults, []);
  const info = await run.conn.ws.closed;
  assert.equal(run.conn.ws.state, "closed");
  assert.equal(run.conn.ws.bufferedAmount, 0);
  checkHeard(run, wire, info);
  checkWritten(run, wire, info);
}

/** Checks that messages came in order, without a gap before the last one that was read. */
function checkHeard(run: Run, wire: Uint8Array, info: CloseInfo): void {
  const { heard: expected } = readWire(wire, { masked: run.role === "server", readLimit: READ_LIMIT });
  const messages = expected.filter(([kind]) => kind === "text" || kind === "binary");
  assert.deepEqual(run.messages, messages.slice(0, run.messages.length));
  if (!info.wasClean) return;
  const last = expected.at(-1)!;
  assert.deepEqual(["close", info.code, info.reason], last);
  if (!run.left) assert.equal(run.messages.length, messages.length, "a message was lost");
}

function checkWritten(run: Run, wire: Uint8Array, info: CloseInfo): void {
  const frames = run.conn.socket.frames();
  assert.ok(frames.every(({ masked }) => masked === (run.role === "client")));
  const close = frames.findIndex(({ opcode }) => opcode === OP.close);
  assert.ok(close < 0 || close === frames.length - 1, "something followed a close frame");
  assert.ok(close >= 0 || !info.wasClean, "it was not clean: this side's close frame never left");
  const messages = joinFragments(frames.filter(({ opcode }) => opcode < 8));
  assert.ok(messages.length <= run.written.length);
  assert.deepEqual(messages, run.written.slice(0, messages.length));
  const { heard: expected } = readWire(wire, { masked: run.role === "server", readLimit: READ_LIMIT });
  const pings = new Set(expected.flatMap(([kind, what]) => kind === "ping" ? [what] : []));
  const pongs = frames.filter(({ opcode }) => opcode === OP.pong).map(({ payload }) => toHex(payload));
  assert.ok(
    pongs.every((pong) => pings.has(pong) || run.pongs.includes(pong)),
    "a pong that nobody asked for",
  );
}

/** The messages in data frames; a long one may be in several, and the last one may have been cut off. */
function joinFragments(frames: readonly Frame[]): Heard[] {
  const messages: Heard[] = [];
  let fragments: Frame[] = [];
  for (const frame of frames) {
    assert.equal(frame.opcode === OP.continuation, fragments.length > 0, "a frame inside another's message");
    fragments.push(frame);
    if (!frame.fin) continue;
    const bytes = join(fragments.map(({ payload }) => payload));
    messages.push(
      heard({
        data: fragments[0]!.opcode === OP.text ? new TextDecoder().decode(bytes) : new Uint8Array(bytes),
      }),
    );
    fragments = [];
  }
  return messages;
}

describe("a connection on which everything happens at random", () => {
  it("ends, and leaves nobody waiting", limit, () =>
    runCases(250, (random) => {
      const role = random.pick(roles);
      const wire = randomWire(random, role, random.pick([4, 40]));
      const seed = random.uint32();
      return { wire, check: (wire) => checkRun(role, wire, new Random(seed)) };
    }));
});
