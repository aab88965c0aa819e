/** The main entry point and its parts, with `@std/assert`. */

import * as jackfield from "@jackfield/jackfield";
import * as framing from "@jackfield/jackfield/framing";
import * as hub from "@jackfield/jackfield/hub";
import * as net from "@jackfield/jackfield/net";
import * as websocket from "@jackfield/jackfield/websocket";
import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";

Deno.test("whichever page a name is imported from, it is the same", () => {
  const parts: Record<string, unknown> = { ...net, ...framing, ...websocket, ...hub };
  assertEquals(Object.keys(parts).sort(), Object.keys(jackfield).sort());
  for (const [name, value] of Object.entries(jackfield)) assertStrictEquals(parts[name], value, name);
});

Deno.test("TCP: a line is echoed, and nobody listens afterwards", async () => {
  const listener = await net.listen("tcp", "127.0.0.1:0");
  const accepted = listener.accept();
  const client = new framing.Framed(await net.dial("tcp", String(listener.addr)), new framing.LinesCodec());
  const server = new framing.Framed(await accepted, new framing.LinesCodec());
  await client.write("hello");
  assertEquals(await server.read(), "hello");
  await Promise.all([client.close(), server.close(), listener.close()]);
  const error = await assertRejects(() => net.dial("tcp", String(listener.addr)), net.NetError);
  assertEquals(error.code, "ECONNREFUSED");
});

Deno.test("WebSocket and hub: a broadcast reaches everybody", async () => {
  const members = new hub.Hub<string>();
  const server = await websocket.listenAndServe("tcp", "127.0.0.1:0", {
    compression: true,
    websocket: async (conn) => {
      members.register(conn, "somebody");
      for await (const message of conn) members.broadcast(message.data);
    },
    fetch: () => new Response("Come by WebSocket\n"),
  });
  const url = `ws://${server.addr}/`;
  const conns = await Promise.all([1, 2].map(() => websocket.dialWebSocket(url, { compression: true })));
  await conns[0]!.writeMessage("hello, everybody");
  const heard = await Promise.all(conns.map(async (conn) => (await conn.readMessage()).data));
  assertArrayIncludes(heard, ["hello, everybody"]);
  assertEquals(members.size, 2);
  assertMatch(await (await fetch(`http://${server.addr}/`)).text(), /WebSocket/);
  await Promise.all(conns.map((conn) => conn.close(websocket.CloseCode.NormalClosure)));
  await server.shutdown();
  const error = await conns[0]!.readMessage().catch((error: unknown) => error);
  assertInstanceOf(error, websocket.CloseError);
  assert(websocket.isCloseError(error, websocket.CloseCode.NormalClosure));
});
