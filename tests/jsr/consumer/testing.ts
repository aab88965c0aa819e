/** Deadlines under the clock of `@std/testing`: an hour passes in no time. */

import { Framed, LinesCodec } from "@jackfield/jackfield/framing";
import { DeadlineExceededError, dial, listen, pipe } from "@jackfield/jackfield/net";
import { dialWebSocket, listenAndServe } from "@jackfield/jackfield/websocket";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";

// One for all tests: all sockets of a process share a timer, which would be lost with the clock that it was set by.
const time = new FakeTime();

/** What has become of a promise by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => false, () => false), Promise.resolve(true)]);
}

Deno.test("a read waits until its deadline, no longer, and the connection lives on", async () => {
  const [here, there] = pipe();
  here.setReadDeadline(Date.now() + 60_000);
  const read = here.readChunk();
  const expired = assertRejects(() => read, DeadlineExceededError);
  await time.tickAsync(59_000);
  assert(await isPending(read));
  await time.tickAsync(1_100);
  await expired;

  here.setReadDeadline(Date.now() + 60_000);
  await there.write(Uint8Array.of(1, 2, 3));
  assertEquals(await here.readChunk(), Uint8Array.of(1, 2, 3));
  await Promise.all([here.close(), there.close()]);
});

Deno.test("an accept and the read of a line expire", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const accepted = listener.accept();
  const client = new Framed(await dial("tcp", String(listener.addr)), new LinesCodec());
  const server = new Framed(await accepted, new LinesCodec());
  listener.setDeadline(Date.now() + 3_600_000);
  client.setReadDeadline(Date.now() + 1_800_000);
  const expired = [listener.accept(), client.read()].map((promise) =>
    assertRejects(() => promise, DeadlineExceededError)
  );
  await time.tickAsync(3_600_100);
  await Promise.all(expired);

  client.setReadDeadline(null);
  await server.write("still here");
  assertEquals(await client.read(), "still here");
  await Promise.all([client.close(), server.close(), listener.close()]);
});

Deno.test("a WebSocket's read expires, and nothing is lost", async () => {
  const server = await listenAndServe("tcp", "127.0.0.1:0", {
    websocket: async (conn) => {
      for await (const message of conn) await conn.writeMessage(message.data);
    },
  });
  const conn = await dialWebSocket(`ws://${server.addr}/`);
  conn.setReadDeadline(Date.now() + 5_000);
  const expired = assertRejects(() => conn.readMessage(), DeadlineExceededError);
  await time.tickAsync(5_100);
  assert((await expired).timeout);

  conn.setReadDeadline(null);
  await conn.writeMessage("hello");
  assertEquals((await conn.readMessage()).data, "hello");
  await conn.close();
  await server.shutdown();
});
