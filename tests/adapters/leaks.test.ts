/** The descriptor of a socket is closed however the socket ends. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { type TcpAddr, tcpAddr } from "../../src/net/addr.ts";
import type { SocketServer, StreamHandler, StreamSocket } from "../../src/net/stream_socket.ts";
import { openDescriptors, openSockets, socketsDownTo } from "../net/descriptors.ts";
import { holdProcess, limit, pattern } from "../net/support.ts";
import { Recorder } from "./recorder.ts";

const adapter = currentAdapter();

/** More bytes than the kernel buffers for a peer that does not read. */
const MUCH = 32 << 20;

interface Bench {
  a: StreamSocket;
  b: StreamSocket;
  onA: Recorder;
  onB: Recorder;
  start(): void;
}

/** Throws when this is called, and at the close. */
function throwingAt(event: keyof StreamHandler, heard: () => void): StreamHandler {
  const hear = (called: keyof StreamHandler) => () => {
    if (called === "onClose") heard();
    if (called === event || called === "onClose") throw new Error(`from ${called}`);
  };
  return { onData: hear("onData"), onEnd: hear("onEnd"), onDrain: hear("onDrain"), onClose: hear("onClose") };
}

/** What each leaves closed by itself. */
const endings: Record<string, (bench: Bench) => Promise<unknown>> = {
  "close by both": ({ a, b, onA, onB, start }) => {
    start();
    a.close();
    b.close();
    return Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "close twice, and then once more": async ({ a, b, onA, onB, start }) => {
    start();
    for (const socket of [a, b, a, b]) socket.close();
    await Promise.all([onA.untilClosed(), onB.untilClosed()]);
    a.close();
    b.close();
  },
  "reset right after close": ({ a, b, onA, onB, start }) => {
    start();
    for (const socket of [a, b]) {
      socket.close();
      socket.reset();
    }
    return Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "close right after reset, and reset again": ({ a, b, onA, onB, start }) => {
    start();
    for (const socket of [a, b]) {
      socket.reset();
      socket.close();
      socket.reset();
    }
    return Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "reset while a FIN is on its way": ({ a, b, onA, onB, start }) => {
    start();
    a.write(pattern(0, 10));
    a.closeWrite();
    a.reset();
    b.closeWrite();
    b.reset();
    return Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "close while a FIN is on its way": ({ a, b, onA, onB, start }) => {
    start();
    a.closeWrite();
    a.close();
    b.closeWrite();
    b.close();
    return Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "close after the peer's end": async ({ a, b, onA, onB, start }) => {
    start();
    a.closeWrite();
    await onB.until(() => onB.ended);
    b.close();
    await onA.until(() => onA.ended);
    a.close();
    await Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "close while it pauses": ({ a, b, onA, onB, start }) => {
    start();
    for (const socket of [a, b]) {
      socket.pause();
      socket.close();
    }
    return Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "reset of a write that waits": async ({ a, b, onA, onB, start }) => {
    start();
    b.pause();
    assert.equal(a.write(pattern(0, MUCH)), false);
    a.reset();
    b.reset();
    await Promise.all([onA.untilClosed(), onB.untilClosed()]);
    assert.equal(onA.drains, 0);
  },
  "a peer that resets": async ({ a, b, onA, onB, start }) => {
    start();
    b.pause();
    assert.equal(a.write(pattern(0, MUCH)), false);
    b.reset();
    await Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "a handler that throws at data": ({ a, b, onA }) =>
    throwAt("onData", a, b, onA, () => void a.write(pattern(0, 9))),
  "a handler that throws at the end": ({ a, b, onA }) => throwAt("onEnd", a, b, onA, () => a.closeWrite()),
  "a handler that throws at a drain": ({ a, b, onB }) =>
    throwAt("onDrain", b, a, onB, () => assert.equal(a.write(pattern(0, MUCH)), false)),
  "a handler that throws at the close": ({ a, b, onA }) => throwAt("onClose", a, b, onA, () => b.close()),
  "close before start": async ({ a, b, onA, onB, start }) => {
    a.close();
    b.close();
    start();
    await Promise.all([onA.untilClosed(), onB.untilClosed()]);
  },
  "reset, and never a start": async ({ a, b }) => {
    a.reset();
    b.reset();
  },
};

/** The handler of `broken` throws at what `act` brings about, and `other` hears of it. */
async function throwAt(
  event: keyof StreamHandler,
  other: StreamSocket,
  broken: StreamSocket,
  onOther: Recorder,
  act: () => void,
): Promise<void> {
  await new Promise<void>((heard) => {
    other.start(onOther);
    broken.start(throwingAt(event, heard));
    act();
  });
  await onOther.until(() => onOther.closed || onOther.ended);
  if (onOther.closed) return;
  other.close();
  await onOther.untilClosed();
}

describe("descriptors", () => {
  holdProcess();
  const skip = openDescriptors() === 0 && "only Linux tells them";
  let accepted: (socket: StreamSocket) => void;
  let server: SocketServer;

  before(async () => {
    const onAccept = (socket: StreamSocket) => accepted(socket);
    server = await adapter.listen(tcpAddr("127.0.0.1", 0), {}, {
      onAccept,
      onError: (error) => assert.fail(error),
    });
    server.resume();
  });
  after(() => server.close());

  async function connect(): Promise<Bench> {
    const accepting = new Promise<StreamSocket>((resolve) => accepted = resolve);
    const to = tcpAddr("127.0.0.1", (server.addr as TcpAddr).port);
    const [a, b] = await Promise.all([adapter.connect(to, {}, null), accepting]);
    const [onA, onB] = [new Recorder(), new Recorder()];
    const start = () => {
      onA.around("start", () => a.start(onA));
      onB.around("start", () => b.start(onB));
    };
    return { a, b, onA, onB, start };
  }

  for (const [name, end] of Object.entries(endings)) {
    it(`are closed by ${name}`, { ...limit, skip }, async () => {
      const open = openSockets();
      for (let i = 0; i < 3; i++) {
        const bench = await connect();
        assert.equal(openSockets() > open, true);
        await end(bench);
        for (const { fault, events } of [bench.onA, bench.onB]) {
          if (fault !== null) throw fault;
          assert.ok(events.filter((event) => event === "close").length <= 1, String(events));
        }
      }
      await socketsDownTo(open);
    });
  }
});
