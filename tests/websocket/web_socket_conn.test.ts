import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CloseError,
  isCloseError,
  isUnexpectedCloseError,
  type Message,
  MessageTooBigError,
} from "../../mod.ts";
import {
  assertBytes,
  countedSignal,
  holdProcess,
  isDeadlineExceeded,
  limit,
  pattern,
  untilStill,
} from "../net/support.ts";
import { closedWith, foreignPair, type MakePair, memoryPair, tcpPair, until } from "./support.ts";

/** Around every border of the header's and the writer's sizes. */
const SIZES = [0, 1, 4, 124, 125, 126, 127, 128, 4095, 4096, 32767, 32768, 65535, 65536, 65537, 70000];
const LARGE = [300 * 1024, 1024 * 1024];

function suite(name: string, makePair: MakePair): void {
  describe(`WebSocketConn, ${name}`, () => {
    holdProcess();

    it("carries binary messages of all sizes both ways", limit, async () => {
      const { client, server, stop } = await makePair();
      for (const size of [...SIZES, ...LARGE]) {
        const data = pattern(size, size * 2);
        for (const [from, to] of [[client, server], [server, client]] as const) {
          const [message] = await Promise.all([to.readMessage(), from.writeMessage(data.slice())]);
          assert.equal(message.type, "binary");
          assertBytes(message.data as Uint8Array, data);
          assert.equal((message.data as Uint8Array).constructor, Uint8Array, "plain on every runtime");
        }
      }
      await stop();
    });

    it("carries text of all sizes both ways", limit, async () => {
      const { client, server, stop } = await makePair();
      for (const size of [...SIZES, ...LARGE]) {
        const data = "0123456789".repeat(size / 10 + 1).slice(0, size);
        for (const [from, to] of [[client, server], [server, client]] as const) {
          const [message] = await Promise.all([to.readMessage(), from.writeMessage(data)]);
          assert.equal(message.type, "text");
          assert.ok(message.data === data, `text of ${size}`);
        }
      }
      await stop();
    });

    it("carries every kind of character", limit, async () => {
      const { client, server, stop } = await makePair();
      const texts = [
        "",
        "\0\x7f\u0080\u07ff\u0800\uffff",
        "\ufeffa byte order mark is a character",
        "κόσμε 你好 😀 \u{10ffff}",
        "é".repeat(62) + "x", // 125 bytes in 63 units
        "é".repeat(63), // 126 bytes
        "€".repeat(21845), // 65,535 bytes
        "😀".repeat(50_000), // 200,000 bytes
        "\ufffd",
      ];
      for (const text of texts) {
        for (const [from, to] of [[client, server], [server, client]] as const) {
          const [message] = await Promise.all([to.readMessage(), from.writeMessage(text)]);
          assert.equal(message.type, "text");
          assert.ok(message.data === text, JSON.stringify(text.slice(0, 20)));
        }
      }
      await client.writeMessage("\ud800 alone");
      assert.equal((await server.readMessage()).data, "\ufffd alone");
      await stop();
    });

    it("sends bytes as text and a string as binary when asked", limit, async () => {
      const { client, server, stop } = await makePair();
      await client.writeMessage(new TextEncoder().encode("né"), { type: "text" });
      assert.deepEqual(await server.readMessage(), { type: "text", data: "né" });
      await client.writeMessage("né", { type: "binary" });
      const message = await server.readMessage();
      assert.equal(message.type, "binary");
      assertBytes(message.data as Uint8Array, new TextEncoder().encode("né"));
      await assert.rejects(client.writeMessage(new Uint8Array([0xff]), { type: "text" }), TypeError);
      await stop();
    });

    it("reads and writes JSON", limit, async () => {
      const { client, server, stop } = await makePair();
      const value = { a: [1, null, "é"], b: { c: true } };
      await client.writeJson(value);
      assert.deepEqual(await server.readJson(), value);
      await client.writeMessage(new TextEncoder().encode('{"binary":true}'));
      assert.deepEqual(await server.readJson(), { binary: true });
      for (const bad of ["{", new Uint8Array([0xff, 0xfe])]) {
        await client.writeMessage(bad);
        await assert.rejects(server.readJson(), SyntaxError);
      }
      await assert.rejects(client.writeJson(undefined), TypeError);
      await assert.rejects(client.writeJson(1n), TypeError);
      await client.writeJson("still there");
      assert.equal(await server.readJson(), "still there");
      await stop();
    });

    it("keeps the order of concurrent writers", limit, async () => {
      const { client, server, stop } = await makePair();
      const count = 200;
      for (const [from, to] of [[client, server], [server, client]] as const) {
        // Of all the ways that a message can take to the socket.
        const sizes = [5, 200, 40_000, 3, 70_000, 10];
        const writes = Array.from({ length: count }, (_, i) => {
          const data = new Uint8Array(sizes[i % sizes.length]!).fill(i);
          data[0] = i;
          return from.writeMessage(i % 2 === 0 ? data : `${i}:${"x".repeat(data.length)}`);
        });
        for (let i = 0; i < count; i++) {
          const { type, data } = await to.readMessage();
          if (type === "text") assert.match(data, new RegExp(`^${i}:x{${sizes[i % sizes.length]}}$`));
          else {
            assert.equal(data.length, sizes[i % sizes.length]);
            assert.ok(data.every((byte) => byte === i), `message ${i}`);
          }
        }
        await Promise.all(writes);
      }
      await stop();
    });

    it("serves concurrent readers in order of calling", limit, async () => {
      const { client, server, stop } = await makePair();
      const reads = Array.from({ length: 100 }, () => server.readMessage());
      for (let i = 0; i < 100; i++) await client.writeMessage(String(i));
      const got = (await Promise.all(reads)).map(({ data }) => Number(data));
      assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => i));
      await stop();
    });

    it("iterates messages and ends quietly when the peer is done", limit, async () => {
      for (const code of [1000, 1001]) {
        const { client, server, stop } = await makePair();
        for (let i = 0; i < 3; i++) await client.writeMessage(String(i));
        const closing = client.close(code, "done");
        const got: unknown[] = [];
        for await (const { data } of server) got.push(data);
        assert.deepEqual(got, ["0", "1", "2"]);
        assert.deepEqual(await server.closed, { code, reason: "done", wasClean: true });
        assert.deepEqual(await closing, { code, reason: "done", wasClean: true });
        // And again, as it stays ended.
        for await (const _ of server) assert.fail("a message after the end");
        await stop();
      }
    });

    it("throws out of an iteration when the end says more than that", limit, async () => {
      for (const code of [1002, 1003, 1007, 1011, 1013, 3000, 4999]) {
        const { client, server, stop } = await makePair();
        await client.writeMessage("last");
        void client.close(code, "because");
        const got: Message[] = [];
        await assert.rejects(async () => {
          for await (const message of server) got.push(message);
        }, closedWith(code, "because"));
        assert.deepEqual(got, [{ type: "text", data: "last" }]);
        await stop();
      }
    });

    it("gives what came before the close first, then the CloseError, each time", limit, async () => {
      const { client, server, stop } = await makePair();
      for (let i = 0; i < 5; i++) await client.writeMessage(String(i));
      await client.close(4001, "enough");
      for (let i = 0; i < 5; i++) assert.equal((await server.readMessage()).data, String(i));
      for (let i = 0; i < 3; i++) {
        await assert.rejects(server.readMessage(), (error) => {
          assert.ok(isCloseError(error, 4001, 1000));
          assert.ok(!isCloseError(error, 1000));
          assert.ok(isUnexpectedCloseError(error, 1000, 1001));
          assert.ok(!isUnexpectedCloseError(error, 4001));
          return closedWith(4001, "enough")(error);
        });
      }
      await assert.rejects(server.readJson(), CloseError);
      await assert.rejects(server.writeMessage("late"), closedWith(4001));
      await assert.rejects(server.writeJson("late"), CloseError);
      await assert.rejects(server.ping(), CloseError);
      await assert.rejects(server.pong(), CloseError);
      await stop();
    });

    it("waits for a message up to a deadline, again and again, on a living connection", limit, async () => {
      const { client, server, stop } = await makePair();
      for (let round = 0; round < 5; round++) {
        server.setReadDeadline(Date.now() + 20);
        await assert.rejects(server.readMessage(), isDeadlineExceeded);
        // It stays expired until it is moved.
        await assert.rejects(server.readMessage(), isDeadlineExceeded);
        server.setReadDeadline(null);
        await client.writeMessage(`round ${round}`);
        assert.equal((await server.readMessage()).data, `round ${round}`);
      }
      assert.equal(server.state, "open");
      await stop();
    });

    it("fails at once when the deadline has passed, and loses nothing", limit, async () => {
      const { client, server, stop } = await makePair();
      await client.writeMessage("kept");
      server.setReadDeadline(Date.now() - 1);
      await assert.rejects(server.readMessage(), isDeadlineExceeded);
      server.setReadDeadline(new Date(Date.now() + 60_000));
      assert.equal((await server.readMessage()).data, "kept");
      await stop();
    });

    it("heeds a deadline that is moved while calls wait", limit, async () => {
      const { client, server, stop } = await makePair();
      const late = server.readMessage();
      server.setReadDeadline(Date.now() + 10);
      await assert.rejects(late, isDeadlineExceeded);
      server.setReadDeadline(null);
      const saved = server.readMessage();
      server.setReadDeadline(Date.now() + 30);
      server.setReadDeadline(Date.now() + 60_000);
      server.setReadDeadline(null);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await client.writeMessage("in time");
      assert.equal((await saved).data, "in time");
      await stop();
    });

    it("lets a signal end a read, and loses nothing", limit, async () => {
      const { client, server, stop } = await makePair();
      const { abort, signal, listeners } = countedSignal();
      const reason = new Error("enough");
      const first = server.readMessage({ signal });
      const second = server.readMessage();
      abort.abort(reason);
      await assert.rejects(first, (error) => error === reason);
      await client.writeMessage("for the second");
      assert.equal((await second).data, "for the second");
      await assert.rejects(server.readMessage({ signal }), (error) => error === reason);
      assert.equal(listeners(), 0);
      const used = countedSignal();
      await client.writeMessage("again");
      assert.equal((await server.readMessage({ signal: used.signal })).data, "again");
      assert.equal(used.listeners(), 0);
      await stop();
    });

    it("fails a write that the peer does not take in time, and goes on when it does", limit, async () => {
      const { client, server, stop } = await makePair({ server: { readBufferSize: 1000 } });
      const size = 100_000;
      let sent = 0;
      await assert.rejects(async () => {
        for (;; sent++) {
          client.setWriteDeadline(null);
          const writing = client.writeMessage(new Uint8Array(size).fill(sent));
          // The deadline of a write that waits: one that has passed before would queue nothing.
          client.setWriteDeadline(Date.now() + 150);
          await writing;
        }
      }, isDeadlineExceeded);
      assert.equal(client.state, "open");
      await assert.rejects(client.writeMessage("still expired"), isDeadlineExceeded);
      client.setWriteDeadline(null);
      const last = client.writeMessage("last");
      // The one that expired is whole: it was queued, and so it comes.
      for (let i = 0; i <= sent; i++) {
        const { data } = await server.readMessage();
        assert.equal(data.length, size);
        assert.ok((data as Uint8Array).every((byte) => byte === i % 256), `message ${i}`);
      }
      assert.equal((await server.readMessage()).data, "last");
      await last;
      assert.equal(client.bufferedAmount, 0);
      await stop();
    });

    it("lets a signal end a write, and goes on", limit, async () => {
      const { client, server, stop } = await makePair({ client: { readBufferSize: 1000 } });
      const size = 100_000;
      const { abort, signal, listeners } = countedSignal();
      let sent = 0;
      const writing = (async () => {
        for (;; sent++) await server.writeMessage(new Uint8Array(size).fill(sent), { signal });
      })();
      // Nothing more leaves: it waits.
      await until(() => server.bufferedAmount > 0);
      await untilStill(() => sent);
      const reason = new Error("enough");
      abort.abort(reason);
      await assert.rejects(writing, (error) => error === reason);
      assert.equal(listeners(), 0);
      await assert.rejects(server.writeMessage("never", { signal }), (error) => error === reason);
      const last = server.writeMessage("last");
      for (let i = 0; i <= sent; i++) assert.equal((await client.readMessage()).data.length, size);
      assert.equal((await client.readMessage()).data, "last");
      await last;
      await stop();
    });

    it("keeps a message as it was when its write was given up", limit, async () => {
      const { client, server, stop } = await makePair({ client: { readBufferSize: 1000 } });
      const data = new Uint8Array(20_000_000).fill(7);
      server.setWriteDeadline(Date.now() + 50);
      client.setReadLimit(data.length);
      const first = new Uint8Array(100_000).fill(1);
      await assert.rejects(async () => {
        for (;;) await server.writeMessage(first);
      }, isDeadlineExceeded);
      server.setWriteDeadline(Date.now() + 50);
      await assert.rejects(server.writeMessage(data), isDeadlineExceeded);
      data.fill(0xee);
      server.setWriteDeadline(null);
      for (;;) {
        const message = (await client.readMessage()).data as Uint8Array;
        if (message.length < data.length) continue;
        assert.ok(message.every((byte) => byte === 7), "what it was changed to afterwards was sent");
        break;
      }
      await stop();
    });

    it("refuses a message over the read limit with 1009", limit, async () => {
      const { client, server, stop } = await makePair({ server: { readLimit: 1000 } });
      await client.writeMessage(new Uint8Array(1000));
      assert.equal((await server.readMessage()).data.length, 1000);
      await client.writeMessage(new Uint8Array(1001));
      await assert.rejects(server.readMessage(), (error) => {
        assert.ok(error instanceof MessageTooBigError);
        assert.equal(error.limit, 1000);
        return true;
      });
      await assert.rejects(client.readMessage(), closedWith(1009));
      assert.deepEqual((await server.closed).wasClean, false);
      await stop();
    });

    it("takes another read limit at any time", limit, async () => {
      const { client, server, stop } = await makePair({ server: { readLimit: 10 } });
      server.setReadLimit(2_000_000);
      await Promise.all([client.writeMessage(new Uint8Array(1_500_000)), server.readMessage()]);
      for (const bad of [0, -1, NaN]) assert.throws(() => server.setReadLimit(bad), RangeError);
      // A duration in place of a time.
      assert.throws(() => server.setDeadline(5000), RangeError);
      assert.throws(() => server.setReadDeadline(5000), RangeError);
      assert.throws(() => server.setWriteDeadline(5000), RangeError);
      await stop();
    });

    it("has the state, the addresses and nothing buffered", limit, async () => {
      const { client, server, stop } = await makePair();
      assert.equal(client.state, "open");
      assert.equal(server.state, "open");
      assert.equal(String(client.remoteAddr), String(server.localAddr));
      assert.equal(client.subprotocol, "");
      await client.writeMessage("x");
      await server.readMessage();
      await until(() => client.bufferedAmount === 0);
      const closing = client.close();
      assert.equal(client.state, "closing");
      await closing;
      assert.equal(client.state, "closed");
      await server.closed;
      assert.equal(server.state, "closed");
      await stop();
    });

    it("closes when its scope ends", limit, async () => {
      const { client, server, stop } = await makePair();
      {
        await using scoped = client;
        await scoped.writeMessage("x");
      }
      assert.equal(client.state, "closed");
      assert.equal((await server.closed).code, 1000);
      await stop();
    });
  });
}

suite("over TCP", tcpPair);
suite("in memory", memoryPair);
suite("over a foreign Conn", foreignPair);
