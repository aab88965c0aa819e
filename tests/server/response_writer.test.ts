/** Plain requests to a WebSocket server and their answers, RFC 9112. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ServeOptions } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { RawPeer } from "../websocket/raw_peer.ts";
import { bytesOf, dial, startServer } from "../websocket/support.ts";

type Fetch = NonNullable<ServeOptions["fetch"]>;

/** The answer's bytes, as text. */
async function answerOf(
  fetch: Fetch | undefined,
  request = "GET / HTTP/1.1",
  options: Partial<ServeOptions> = {},
) {
  const { address, stop } = await startServer({ ...(fetch && { fetch }), ...options });
  const peer = new RawPeer(await dial("tcp", address));
  await peer.send(`${request}\r\nHost: ${address}\r\n\r\n`);
  const text = await peer.readAll();
  await peer.conn.close();
  await stop();
  const end = text.indexOf("\r\n\r\n");
  return { head: text.slice(0, end), body: text.slice(end + 4) };
}

/** The answer as the runtime's own client sees it. */
async function fetchFrom(handler: Fetch, init?: RequestInit) {
  const { address, stop } = await startServer({ fetch: handler });
  const response = await fetch(`http://${address}/path?query`, init);
  const bytes = new Uint8Array(await response.arrayBuffer());
  await stop();
  return { response, bytes };
}

function streamOf(...chunks: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      const chunk = chunks.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(typeof chunk === "string" ? bytesOf(chunk) : chunk);
    },
  });
}

describe("a plain request", () => {
  holdProcess();

  it("gets 426 by default", limit, async () => {
    const { head, body } = await answerOf(undefined);
    assert.match(head, /^HTTP\/1\.1 426 Upgrade Required\r\n/);
    assert.match(head, /\r\nupgrade: websocket(\r|$)/i);
    assert.match(body, /WebSocket/);
  });

  it("gets what fetch answers, in one piece with its length", limit, async () => {
    const { head, body } = await answerOf(() => new Response("größer", { headers: { "x-a": "b" } }));
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(head, /\r\ncontent-length: 8(\r|$)/);
    assert.match(head, /\r\nx-a: b(\r|$)/);
    const date = /\r\ndate: (\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT)(\r|$)/.exec(head)?.[1];
    assert.ok(Math.abs(Date.parse(date ?? "") - Date.now()) < 60_000, `the time of day is not ${date}`);
    assert.match(head, /\r\nconnection: close(\r|$)/);
    assert.doesNotMatch(head, /transfer-encoding/);
    assert.equal(body, "größer");
  });

  it("gets the content type that a body brings", limit, async () => {
    const form = new FormData();
    form.append("a", "b");
    const bodies: [BodyInit, RegExp][] = [
      [new Blob(["<svg/>"], { type: "image/svg+xml" }), /^image\/svg\+xml/],
      [form, /^multipart\/form-data; boundary=/],
      [new URLSearchParams("a=b"), /^application\/x-www-form-urlencoded/],
    ];
    for (const [body, type] of bodies) {
      const { response } = await fetchFrom(() => new Response(body));
      assert.match(response.headers.get("content-type") ?? "none", type);
    }
  });

  it("is given to fetch with its addresses", limit, async () => {
    const { response, bytes } = await fetchFrom((request, info) => {
      const { pathname, search } = new URL(request.url);
      assert.match(String(info.remoteAddr), /^127\.0\.0\.1:/);
      return Response.json([request.method, pathname, search, request.headers.get("x-q")]);
    }, { method: "DELETE", headers: { "x-q": "1" } });
    assert.match(response.headers.get("content-type")!, /^application\/json/);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(bytes)), ["DELETE", "/path", "?query", "1"]);
  });

  it("gets a stream in chunks", limit, async () => {
    const { head, body } = await answerOf(() => new Response(streamOf("one", "", "three", "x".repeat(20))));
    assert.match(head, /\r\ntransfer-encoding: chunked(\r|$)/);
    assert.doesNotMatch(head, /content-length/);
    assert.equal(body, `3\r\none\r\n5\r\nthree\r\n14\r\n${"x".repeat(20)}\r\n0\r\n\r\n`);
  });

  it("gets the first chunk of a stream though the second takes its time", limit, async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { address, stop } = await startServer({
      fetch: () =>
        new Response(
          new ReadableStream({
            async start(controller) {
              controller.enqueue(bytesOf("first"));
              await released;
              controller.enqueue(bytesOf("second"));
              controller.close();
            },
          }),
        ),
    });
    const response = await fetch(`http://${address}/`);
    const reader = response.body!.getReader();
    assert.equal(new TextDecoder().decode((await reader.read()).value), "first");
    release();
    assert.equal(new TextDecoder().decode((await reader.read()).value), "second");
    assert.equal((await reader.read()).done, true);
    await stop();
  });

  it("gets the head though the body takes its time", limit, async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { address, stop } = await startServer({
      fetch: () =>
        new Response(
          new ReadableStream({
            async start(controller) {
              await released;
              controller.close();
            },
          }),
          { status: 201 },
        ),
    });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(`GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
    assert.match(await peer.readHead(), /^HTTP\/1\.1 201 Created\r\n/);
    release();
    await peer.conn.close();
    await stop();
  });

  it("gets a stream that outlives the handshake's time-out", limit, async () => {
    const handshakeTimeout = 1000;
    let left = 20;
    const slow = new ReadableStream({
      async pull(controller) {
        // A timer that is set later for the whole time-out rings behind it.
        if (left === 10) await new Promise((resolve) => setTimeout(resolve, handshakeTimeout + 50));
        if (left-- > 0) controller.enqueue(bytesOf("0123456789"));
        else controller.close();
      },
    });
    const { body } = await answerOf(() => new Response(slow), "GET / HTTP/1.1", { handshakeTimeout });
    assert.ok(body.endsWith("\r\n0\r\n\r\n"));
    assert.equal(body.match(/0123456789/g)?.length, 20);
  });

  it("of HTTP/1.0 gets a stream without chunks", limit, async () => {
    const { head, body } = await answerOf(() => new Response(streamOf("one", "two")), "GET / HTTP/1.0");
    assert.doesNotMatch(head, /transfer-encoding|content-length/);
    assert.equal(body, "onetwo");
  });

  it("of HTTP/1.0 need not name a host", limit, async () => {
    const { address, stop } = await startServer({ fetch: ({ url }) => new Response(url) });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send("GET /x HTTP/1.0\r\n\r\n");
    assert.match(await peer.readAll(), new RegExp(`\r\n\r\nhttp://${address}/x$`));
    await peer.conn.close();
    await stop();
  });

  it("by HEAD gets the head alone", limit, async () => {
    const text = await answerOf(() => new Response("12345"), "HEAD / HTTP/1.1");
    assert.match(text.head, /\r\ncontent-length: 5(\r|$)/);
    assert.equal(text.body, "");
    const known = await answerOf(
      () => new Response(null, { headers: { "content-length": "77" } }),
      "HEAD / HTTP/1.1",
    );
    assert.match(known.head, /\r\ncontent-length: 77(\r|$)/);
    let cancelled = false;
    const stream = await answerOf(
      () => new Response(new ReadableStream({ cancel: () => void (cancelled = true) })),
      "HEAD / HTTP/1.1",
    );
    assert.equal(stream.body, "");
    assert.ok(cancelled);
  });

  it("gets no body and no length with 204 and 304", limit, async () => {
    for (const status of [204, 304]) {
      const { head, body } = await answerOf(() => new Response(null, { status }));
      assert.match(head, new RegExp(`^HTTP/1.1 ${status} `));
      assert.doesNotMatch(head, /content-length|transfer-encoding/);
      assert.equal(body, "");
    }
  });

  it("gets an empty body with its length", limit, async () => {
    for (
      const response of [
        () => new Response(null),
        () => new Response(""),
        () => new Response(new Uint8Array(0)),
      ]
    ) {
      const { head, body } = await answerOf(response);
      assert.match(head, /\r\ncontent-length: 0(\r|$)/);
      assert.equal(body, "");
    }
  });

  it("gets large bodies whole", limit, async () => {
    const large = new Uint8Array(5_000_000).map((_, i) => i * 7);
    for (
      const body of [
        () => large,
        () => streamOf(large.subarray(0, 2_000_000), large.subarray(2_000_000)),
        () => new Blob([large]),
      ]
    ) {
      const { bytes } = await fetchFrom(() => new Response(body()));
      assert.equal(bytes.length, large.length);
      assert.ok(bytes.every((byte, i) => byte === large[i]));
    }
  });

  it("gets several cookies, and not the fields that belong to the connection", limit, async () => {
    const headers = new Headers({
      connection: "keep-alive",
      "keep-alive": "5",
      "transfer-encoding": "gzip",
      "content-length": "9",
    });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    headers.set("date", "Thu, 01 Jan 1970 00:00:00 GMT");
    const { head, body } = await answerOf(() => new Response("x", { headers }));
    assert.match(head, /set-cookie: a=1\r\n(.*\r\n)*?set-cookie: b=2/);
    assert.match(head, /\r\nconnection: close(\r|$)/);
    assert.match(head, /\r\ncontent-length: 1(\r|$)/);
    assert.match(head, /\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT(\r|$)/);
    assert.equal(head.match(/\r\n(connection|date|content-length):/g)?.length, 3);
    assert.doesNotMatch(head, /keep-alive|transfer-encoding/);
    assert.equal(body, "x");
  });

  it("has the status text of the response, or the usual one", limit, async () => {
    assert.match(
      (await answerOf(() => new Response(null, { status: 418, statusText: "Short and stout" }))).head,
      /^HTTP\/1\.1 418 Short and stout\r\n/,
    );
    assert.match(
      (await answerOf(() => new Response(null, { status: 404 }))).head,
      /^HTTP\/1\.1 404 Not Found\r\n/,
    );
    assert.match((await answerOf(() => new Response(null, { status: 599 }))).head, /^HTTP\/1\.1 599 \r\n/);
  });

  it("can be read by a peer that is still sending when it comes", limit, async () => {
    const { address, stop } = await startServer({ fetch: () => new Response("answer") });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(`GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
    // Closing over bytes that nobody read would send a reset, which takes the answer away from under the peer.
    for (let i = 0; i < 10; i++) {
      await peer.send("x".repeat(50_000));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.match(await peer.readAll(), /\r\n\r\nanswer$/);
    await peer.conn.close();
    await stop();
  });

  it("is one a connection: what follows it is nobody's request", limit, async () => {
    const seen: string[] = [];
    const { address, stop } = await startServer({
      fetch({ url }) {
        seen.push(url);
        return new Response("x");
      },
    });
    const peer = new RawPeer(await dial("tcp", address));
    const one = `GET /1 HTTP/1.1\r\nHost: ${address}\r\n\r\n`;
    await peer.send(one, one.replace("/1", "/2"), "x".repeat(100_000));
    const text = await peer.readAll();
    assert.equal(text.match(/HTTP\/1\.1/g)?.length, 1);
    assert.equal(seen.length, 1);
    await peer.conn.close();
    await stop();
  });
});

describe("a fetch callback", () => {
  holdProcess();
  const failure = new Error("mine");

  it("that throws, or gives what cannot be sent, is told, and the peer gets 500", limit, async () => {
    const used = new Response("x");
    await used.text();
    const callbacks: unknown[] = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
      () => undefined,
      () => "text",
      () => used,
      () => Response.error(),
      () => new Response(new ReadableStream({ start: (controller) => controller.error(failure) })),
      () => new Response(new ReadableStream({ pull: () => Promise.reject(failure) })),
    ];
    for (const [i, callback] of callbacks.entries()) {
      const errors: unknown[] = [];
      const { head } = await answerOf(callback as Fetch, "GET / HTTP/1.1", {
        onError: (error) => errors.push(error),
      });
      assert.match(head, /^HTTP\/1\.1 500 Internal Server Error\r\n/, String(i));
      assert.equal(errors.length, 1, String(i));
      assert.ok(errors[0] === failure || errors[0] instanceof TypeError, `${i}: ${errors[0]}`);
    }
  });

  it(
    "whose stream fails on its way is told, and the peer sees that something is missing",
    limit,
    async () => {
      const errors: unknown[] = [];
      const { address, stop } = await startServer({
        fetch() {
          let pulls = 0;
          return new Response(
            new ReadableStream({
              async pull(controller) {
                await new Promise((resolve) => setTimeout(resolve, 2));
                if (pulls++ > 1) throw failure;
                controller.enqueue(bytesOf("part"));
              },
            }),
          );
        },
        onError: (error) => errors.push(error),
      });
      const peer = new RawPeer(await dial("tcp", address));
      await peer.send(`GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
      assert.match(await peer.readHead(), /chunked/);
      // By a reset, where the runtime can send one; in any case without the last chunk.
      const rest = await peer.readAll().catch(() => "");
      assert.ok(!rest.endsWith("0\r\n\r\n"));
      assert.deepEqual(errors, [failure]);
      peer.conn.closeNow();
      await stop();
    },
  );

  it("is told when nobody reads its stream any more", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const errors: unknown[] = [];
    const { address, stop } = await startServer({
      fetch: () =>
        new Response(
          new ReadableStream({
            async pull(controller) {
              await new Promise((done) => setTimeout(done, 1));
              controller.enqueue(new Uint8Array(100_000));
            },
            cancel: () => resolve(),
          }),
        ),
      onError: (error) => errors.push(error),
    });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(`GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
    await peer.readHead();
    peer.conn.closeNow();
    await promise;
    assert.deepEqual(errors, []);
    await stop();
  });

  it("is not waited for by a peer that does not read for ever", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { address, stop } = await startServer({
      responseTimeout: 100,
      fetch: () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              controller.enqueue(new Uint8Array(1_000_000));
            },
            cancel: () => resolve(),
          }),
        ),
    });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(`GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
    await promise;
    peer.conn.closeNow();
    await stop();
  });
});
