/** The peer's end takes its place behind the messages before it: what answers them leaves before the closing frame. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type CloseError,
  type DebugEvent,
  dialWebSocket,
  MessageTooBigError,
  ProtocolError,
  type WebSocketConn,
} from "../../mod.ts";
import { limit } from "../net/support.ts";
import { acceptHead, closeFrame, type Frame, frame, OP, rawClient, RawPeer } from "./raw_peer.ts";
import { bytesOf, closedWith, concat, startRawServer, startServer, textOf } from "./support.ts";
import { settle, testConn } from "./test_socket.ts";

const roles = ["server", "client"] as const;

/** Frames in short: the payload of a message, the code of a close frame. */
function shown(frames: readonly Frame[]): string[] {
  return frames.map(({ opcode, payload }) =>
    opcode === OP.close
      ? `close ${payload.length === 0 ? "" : payload[0]! << 8 | payload[1]!}`
      : textOf(payload)
  );
}

/** The echo that every WebSocket program begins with. */
async function echo(ws: WebSocketConn): Promise<void> {
  for await (const { data } of ws) await ws.writeMessage(data);
}

for (const role of roles) {
  const fromPeer = { mask: role === "server" };
  const hello = frame(OP.text, "hello", fromPeer);
  const bad = frame(OP.text, "bad", { ...fromPeer, rsv: 0x20 });
  const close = closeFrame(1000, "done", fromPeer);

  describe(`behind messages in one segment, as a ${role}`, () => {
    it("a close frame is answered after the replies, and ends the loop without an error", limit, async () => {
      const { ws, socket } = testConn(role);
      const echoing = echo(ws);
      socket.receive(hello, hello, close);
      assert.deepEqual(shown(socket.frames()), []);
      assert.equal(ws.state, "open");
      await echoing;
      assert.deepEqual(shown(socket.frames()), ["hello", "hello", "close 1000"]);
      assert.equal(ws.state, "closing");
      socket.end();
      socket.gone();
      assert.deepEqual(await ws.closed, { code: 1000, reason: "done", wasClean: true });
    });

    it("a fault is told after the replies, and the loop throws it", limit, async () => {
      const { ws, socket } = testConn(role);
      const echoing = echo(ws);
      socket.receive(hello, bad, hello);
      await assert.rejects(echoing, (error) => error instanceof ProtocolError && error.closeCode === 1002);
      assert.deepEqual(shown(socket.frames()), ["hello", "close 1002"]);
      const isTold = (error: unknown) =>
        closedWith(1002)(error) && (error as Error).cause instanceof ProtocolError;
      await assert.rejects(ws.writeMessage("late"), isTold);
      socket.gone();
      await assert.rejects(ws.writeMessage("later"), isTold);
      assert.equal((await ws.closed).code, 1006);
    });

    it("a text that is not UTF-8 and a message that is too large are such faults", limit, async () => {
      const faults = [
        [frame(OP.text, new Uint8Array([0xff]), fromPeer), 1007, ProtocolError],
        [frame(OP.text, "x".repeat(100), fromPeer), 1009, MessageTooBigError],
      ] as const;
      for (const [wire, code, type] of faults) {
        const { ws, socket } = testConn(role, { readLimit: 50 });
        const echoing = echo(ws);
        socket.receive(hello, wire);
        await assert.rejects(echoing, type);
        assert.deepEqual(shown(socket.frames()), ["hello", `close ${code}`]);
      }
    });

    it("the peer's FIN ends it after the replies", limit, async () => {
      const { ws, socket } = testConn(role);
      const echoing = echo(ws);
      socket.receive(hello);
      socket.end();
      assert.deepEqual(socket.calls, []);
      await assert.rejects(echoing, closedWith(1006));
      assert.deepEqual(shown(socket.frames()), ["hello"]);
      assert.deepEqual(socket.calls, ["close"]);
    });

    it("a message that was taken can be answered until the next is asked for", limit, async () => {
      const { ws, socket } = testConn(role);
      const first = ws.readMessage();
      socket.receive(hello, close);
      await first;
      await settle();
      await ws.writeMessage("one");
      await ws.writeJson("two");
      const writer = await ws.nextWriter("text");
      await writer.write("three");
      await writer.close();
      assert.equal(ws.state, "open");
      await assert.rejects(ws.readJson(), closedWith(1000, "done"));
      assert.deepEqual(shown(socket.frames()), ["one", '"two"', "three", "close 1000"]);
      await assert.rejects(ws.writeMessage("late"), closedWith(1000));
    });

    it("a part that was written into a message leaves before the answer", limit, async () => {
      const { ws, socket } = testConn(role);
      void ws.readMessage();
      socket.receive(hello, close);
      const writer = await ws.nextWriter("text");
      void writer.write("begun");
      void ws.readMessage().catch(() => {});
      assert.deepEqual(shown(socket.frames()), ["begun", "close 1000"]);
    });

    it("a reader is read to the end of its message, and the next call reaches the end", limit, async () => {
      const { ws, socket } = testConn(role);
      const opening = ws.nextReader();
      socket.receive(frame(OP.text, "a ", { ...fromPeer, fin: false }));
      const reader = await opening;
      socket.receive(frame(OP.continuation, "stream", fromPeer), close);
      const parts: Uint8Array[] = [];
      for await (const part of reader) parts.push(part);
      await ws.writeMessage(concat(...parts));
      assert.deepEqual(shown(socket.frames()), []);
      await assert.rejects(ws.nextReader(), closedWith(1000));
      assert.deepEqual(shown(socket.frames()), ["a stream", "close 1000"]);
    });

    it("a reader of a message that is cut off reaches the end itself", limit, async () => {
      const { ws, socket } = testConn(role);
      const opening = ws.nextReader();
      socket.receive(frame(OP.text, "cut", { ...fromPeer, fin: false }));
      const reader = await opening;
      socket.receive(close);
      assert.deepEqual(await reader.readChunk(), bytesOf("cut"));
      await ws.writeMessage("had enough");
      assert.deepEqual(shown(socket.frames()), []);
      await assert.rejects(reader.readChunk(), closedWith(1000));
      assert.deepEqual(shown(socket.frames()), ["had enough", "close 1000"]);
    });

    it("a reader that waits for more has reached the end", limit, async () => {
      const { ws, socket } = testConn(role);
      const opening = ws.nextReader();
      socket.receive(
        frame(OP.text, "", { ...fromPeer, fin: false }),
        frame(OP.continuation, "x", { ...fromPeer, fin: false }),
      );
      const reader = await opening;
      await reader.readChunk();
      const waiting = reader.readChunk();
      await settle();
      socket.receive(close);
      assert.deepEqual(shown(socket.frames()), ["close 1000"]);
      await assert.rejects(waiting, closedWith(1000));
    });
  });

  describe(`without the application's next call, as a ${role}`, () => {
    it("an end is answered after a fifth of closeTimeout", limit, async () => {
      for (const [wire, code] of [[close, 1000], [bad, 1002]] as const) {
        const { ws, socket, clock } = testConn(role, { closeTimeout: 1000 });
        const first = ws.readMessage();
        socket.receive(hello, hello, wire);
        await first;
        clock.advance(199);
        await ws.writeMessage("in time");
        clock.advance(2);
        assert.deepEqual(shown(socket.frames()), ["in time", `close ${code}`]);
        const isKnown = (error: unknown) =>
          (error as CloseError).code === 1000 || error instanceof ProtocolError;
        await assert.rejects(ws.writeMessage("late"), closedWith(code));
        // What came before can still be read.
        assert.equal((await ws.readMessage()).data, "hello");
        await assert.rejects(ws.readMessage(), isKnown);
      }
    });

    it("an end is answered at once where nothing was ever read", limit, () => {
      const { socket } = testConn(role);
      socket.receive(hello, close);
      assert.deepEqual(shown(socket.frames()), ["close 1000"]);
    });

    it("close() answers at once, with the peer's code or what is wrong", limit, async () => {
      for (const [wire, code] of [[close, 1000], [bad, 1002]] as const) {
        const { ws, socket } = testConn(role);
        const first = ws.readMessage();
        socket.receive(hello, wire);
        await first;
        void ws.writeMessage("before");
        void ws.close(3000);
        assert.deepEqual(shown(socket.frames()), ["before", `close ${code}`]);
      }
    });

    it("closeNow() resets, and what was not answered was not clean", limit, async () => {
      const { ws, socket } = testConn(role);
      const first = ws.readMessage();
      socket.receive(hello, close);
      await first;
      ws.closeNow();
      assert.deepEqual(socket.calls, ["reset"]);
      socket.gone();
      assert.deepEqual(await ws.closed, { code: 1000, reason: "done", wasClean: false });
    });

    it("FIN behind the close frame changes nothing", limit, async () => {
      const { ws, socket } = testConn(role);
      const echoing = echo(ws);
      socket.receive(hello, close);
      socket.end();
      await echoing;
      assert.deepEqual(shown(socket.frames()), ["hello", "close 1000"]);
      assert.deepEqual(socket.calls, ["close"]);
    });
  });
}

describe("over TCP", () => {
  it("closeNow() in the callback leaves the answer to the handshake", limit, async () => {
    const { address, stop } = await startServer({ websocket: (conn) => conn.closeNow() });
    // `rawClient` asserts that the answer comes.
    const peer = await rawClient(address);
    const end = await peer.conn.readChunk().catch(() => null);
    assert.equal(end, null);
    peer.conn.closeNow();
    await stop();
  });

  it("a client replies to what came with the answer to its handshake", limit, async () => {
    const { url, stop, handled } = await startRawServer(async (conn) => {
      const peer = new RawPeer(conn);
      const head = acceptHead(await peer.readHead());
      await peer.send(head, frame(OP.text, "hello", { mask: false }), closeFrame(1000, "", { mask: false }));
      return peer.readClose();
    });
    await echo(await dialWebSocket(url));
    const { before, code } = await handled as Awaited<ReturnType<RawPeer["readClose"]>>;
    assert.deepEqual([shown(before), code], [["hello"], 1000]);
    await stop();
  });

  it("a server replies to what came just before a close frame or a fault", limit, async () => {
    const failed: unknown[] = [];
    const { address, stop } = await startServer({ onError: (error) => failed.push(error) });
    for (
      const [wire, code] of [[closeFrame(1000), 1000], [frame(OP.text, "bad", { rsv: 0x20 }), 1002]] as const
    ) {
      const peer = await rawClient(address);
      await peer.send(frame(OP.text, "hello"), wire);
      const closing = await peer.readClose();
      assert.deepEqual([shown(closing.before), closing.code], [["hello"], code]);
      peer.conn.closeNow();
    }
    await stop();
    assert.ok(failed.every((error) => error instanceof ProtocolError));
  });
});

describe("onDebug", () => {
  it("tells the phase in which replies are sent", limit, async () => {
    const events: DebugEvent[] = [];
    const { server, address, stop } = await startServer({ onDebug: (event) => events.push(event) });
    assert.ok(server);
    const peer = await rawClient(address);
    await peer.send(frame(OP.text, "hello"), closeFrame(1000));
    await peer.readClose();
    peer.conn.closeNow();
    await stop();
    const told = events.flatMap((event) =>
      event.type === "phase"
        ? [`${event.from} to ${event.to}`]
        : event.type === "control"
        ? [`${event.direction} ${event.frame} ${event.code}`]
        : []
    );
    assert.deepEqual(told.slice(0, 4), [
      "received close 1000",
      "open to answering",
      "sent close 1000",
      "answering to flushing",
    ]);
  });
});
