/** Reads the head of a request with `node:http`. */

import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage } from "node:http";
import { Duplex } from "node:stream";

export interface NodeHead {
  readonly method: string;
  readonly target: string;
  /** Fields in the form `name: value`, names in lower case. */
  readonly fields: string[];
}

/** What it read, or the code of its refusal. No socket is needed: a server takes any stream for one. */
export function readByNode(wire: Uint8Array): Promise<NodeHead | string> {
  return new Promise((resolve) => {
    const server = createServer({ maxHeaderSize: 1 << 17, requireHostHeader: false });
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const done = (result: NodeHead | string) => {
      resolve(result);
      stream.destroy();
    };
    const onHead = (request: IncomingMessage) => {
      const { method = "", url = "", rawHeaders: raw } = request;
      const names = raw.filter((_, i) => i % 2 === 0);
      done({
        method,
        target: url,
        fields: names.map((name, i) => `${name.toLowerCase()}: ${raw[2 * i + 1]}`),
      });
    };
    for (const event of ["request", "upgrade", "connect", "checkContinue"]) server.on(event, onHead);
    server.on("clientError", (error: Error & { code?: string }) => done(error.code ?? error.message));
    stream.on("error", () => {});
    server.emit("connection", stream);
    stream.push(Buffer.from(wire));
    stream.push(null);
  });
}
