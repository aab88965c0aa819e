/** Clients that leave, or wait, before they are answered. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ServeOptions } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { handshake, RawPeer } from "../websocket/raw_peer.ts";
import { bytesOf, dial, startServer } from "../websocket/support.ts";

/** A stream that gives one chunk, and no more until it is cancelled. */
function quietStream(onCancel: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (c) => c.enqueue(bytesOf("data: 1\n\n")), cancel: onCancel });
}

async function ask(address: string, head: string): Promise<RawPeer> {
  const peer = new RawPeer(await dial("tcp", address));
  await peer.send(head);
  return peer;
}

const plain = (address: string) => `GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`;

/** Resolves when the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
}

const departures: [string, (peer: RawPeer) => unknown][] = [
  ["by a reset", (peer) => peer.conn.closeNow()],
  ["in order", (peer) => peer.conn.close()],
];

describe("a client that leaves", () => {
  holdProcess();

  for (const [how, leave] of departures) {
    for (const kind of ["upgrade", "fetch"] as const) {
      it(`${how} aborts the signal of the request that ${kind} has`, limit, async () => {
        const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
        const { promise: left, resolve: onLeft } = Promise.withResolvers<void>();
        const errors: unknown[] = [];
        const callback = async ({ signal }: Request): Promise<never> => {
          onAsked();
          await aborted(signal);
          onLeft();
          // As `fetch` and others do that were given the signal.
          throw signal.reason;
        };
        const { server, address } = await startServer({
          [kind]: callback,
          onError: (error) => errors.push(error),
        });
        const peer = await ask(address, kind === "fetch" ? plain(address) : handshake(address));
        await asked;
        await leave(peer);
        await left;
        await server.shutdown();
        assert.deepEqual(errors, []);
      });
    }

    it(`${how} ends a stream that has nothing to say`, limit, async () => {
      const { promise: cancelled, resolve } = Promise.withResolvers<void>();
      let signal: AbortSignal | null = null;
      const { server, address } = await startServer({
        fetch(request) {
          ({ signal } = request);
          return new Response(quietStream(resolve));
        },
      });
      const peer = await ask(address, plain(address));
      await peer.readHead();
      await leave(peer);
      await cancelled;
      assert.equal(signal!.aborted, true);
      await server.shutdown();
    });
  }

  it("does not abort the signal when it has the whole response", limit, async () => {
    let signal: AbortSignal | null = null;
    const { server, address } = await startServer({
      fetch(request) {
        ({ signal } = request);
        return new Response("all");
      },
    });
    const peer = await ask(address, plain(address));
    assert.match(await peer.readAll(), /all$/);
    await peer.conn.close();
    await server.shutdown();
    assert.equal(signal!.aborted, false);
  });

  it("is not one that only ended its side: a stream that goes on comes whole", limit, async () => {
    let left = 5;
    const stream = () =>
      new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          if (left-- > 0) controller.enqueue(bytesOf("more "));
          else controller.close();
        },
      });
    const { address, stop } = await startServer({ fetch: () => new Response(stream()) });
    const peer = await ask(address, plain(address));
    await peer.conn.closeWrite();
    const answer = await peer.readAll();
    assert.equal(answer.match(/more /g)?.length, 5);
    assert.ok(answer.endsWith("0\r\n\r\n"));
    await peer.conn.close();
    await stop();
  });
});

describe("a server that shuts down", () => {
  holdProcess();

  it("does not wait for a stream whose client is there", limit, async () => {
    const { promise: cancelled, resolve } = Promise.withResolvers<void>();
    const { server, address } = await startServer({ fetch: () => new Response(quietStream(resolve)) });
    const peer = await ask(address, plain(address));
    await peer.readHead();
    await Promise.all([server.shutdown(), cancelled]);
    peer.conn.closeNow();
  });
});

describe("an upgrade callback that takes too long", () => {
  holdProcess();

  const never: NonNullable<ServeOptions["upgrade"]> = () => new Promise(() => {});

  it("gets its client 408, and is not waited for", limit, async () => {
    const { server, address } = await startServer({ handshakeTimeout: 60, upgrade: never });
    const peer = await ask(address, handshake(address));
    assert.match(await peer.readAll(), /^HTTP\/1\.1 408 /);
    await peer.conn.close();
    await server.shutdown();
  });

  it("is told by the signal, and what it answers then is dropped", limit, async () => {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    let accepted = 0;
    const { address, stop } = await startServer({
      handshakeTimeout: 60,
      async upgrade({ signal }) {
        await aborted(signal);
        return new Response(quietStream(resolve));
      },
      websocket: () => void accepted++,
    });
    const peer = await ask(address, handshake(address));
    assert.match(await peer.readAll(), /^HTTP\/1\.1 408 /);
    await over;
    assert.equal(accepted, 0);
    await peer.conn.close();
    await stop();
  });
});
