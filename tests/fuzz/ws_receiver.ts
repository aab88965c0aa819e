/** npm ws's receiver, imported by its path, because a runtime may replace a package of that name. */

import { Buffer } from "node:buffer";
import { toHex } from "../protocol/wire.ts";
import type { Heard } from "./frame_model.ts";

interface WsOptions {
  readonly isServer: boolean;
  readonly maxPayload: number;
}

/** The part of the receiver that is used; its stream calls `_write`, which reports an error at once. */
interface WsReceiver {
  on(event: string, listener: (first: Uint8Array & number, second: Uint8Array & boolean) => void): void;
  _write(chunk: Uint8Array, encoding: string, done: (error?: Record<symbol, number>) => void): void;
}

const folder = "../../node_modules/ws/lib";
const { default: Receiver }: { default: new (options: WsOptions) => WsReceiver } = await import(
  `${folder}/receiver.js`
);
const { default: { kStatusCode } }: { default: { kStatusCode: symbol } } = await import(
  `${folder}/constants.js`
);

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What it hears. */
export function readByWs(chunks: readonly Uint8Array[], options: WsOptions): Heard[] {
  const heard: Heard[] = [];
  const receiver = new Receiver(options);
  receiver.on("message", (data, isBinary) => {
    heard.push(isBinary ? ["binary", toHex(data)] : ["text", decoder.decode(data)]);
  });
  receiver.on("ping", (data) => heard.push(["ping", toHex(data)]));
  receiver.on("pong", (data) => heard.push(["pong", toHex(data)]));
  receiver.on("conclude", (code, reason) => heard.push(["close", code, decoder.decode(reason)]));
  let failed = false;
  for (const chunk of chunks) {
    receiver._write(Buffer.from(chunk), "buffer", (error) => {
      if (error === undefined || error === null) return;
      failed = true;
      heard.push(["fault", error[kStatusCode]!]);
    });
    if (failed) break;
  }
  return heard;
}
