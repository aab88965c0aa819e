/** The control on Deno: a bare TCP echo over `Deno.listen`. `tcp_deno.ts PORT`. */

interface EchoConn {
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  setNoDelay(on: boolean): void;
  close(): void;
}
declare const Deno: {
  args: string[];
  listen(options: { hostname: string; port: number }): AsyncIterable<EchoConn>;
};

const [port = "8080"] = Deno.args;

async function echo(conn: EchoConn): Promise<void> {
  const buffer = new Uint8Array(65536);
  try {
    conn.setNoDelay(true);
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      for (let at = 0; at < count;) at += await conn.write(buffer.subarray(at, count));
    }
    conn.close();
  } catch {
    conn.close();
  }
}

for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) void echo(conn);
