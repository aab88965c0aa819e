import {
  acceptKey,
  applyMask,
  BufferPool,
  checkUpgradeRequest,
  CloseCode,
  DeflatePool,
  encodeUpgradeRequest,
  encodeUpgradeResponse,
  PieceFlag,
  Protocol,
  type ProtocolHandler,
  rawDeflate,
  RequestHeadReader,
  webText,
} from "jackfield/protocol";
import { equal, text } from "./check.ts";

// The handshake, RFC 6455, 1.3.
const key = "dGhlIHNhbXBsZSBub25jZQ==";
equal(acceptKey(key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
const head = new RequestHeadReader().receive(
  encodeUpgradeRequest({ host: "a.example", target: "/chat", key }),
);
if (head === undefined) throw new Error("the head is not complete");
const asked = checkUpgradeRequest(head);
if (!asked.ok) throw new Error(asked.reason);
equal(
  text(encodeUpgradeResponse({ key: asked.key })).includes(
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  ),
  true,
);

// A frame of RFC 6455, 5.7.
const hello = Uint8Array.of(0x7f, 0x9f, 0x4d, 0x51, 0x58);
applyMask(hello, 0, 5, 0x3d21fa37);
equal(text(hello), "Hello");

// Both sides of a connection, whose bytes go from one to the other by hand.
interface Side {
  readonly protocol: Protocol;
  readonly heard: string[];
}

function side(role: "client" | "server", compressed: boolean): Side {
  const heard: string[] = [];
  const handler: ProtocolHandler = {
    onMessageData: (chunk, start, end, flags) => {
      // Every message here is short, and comes in one piece.
      const whole = (flags & PieceFlag.Whole) === PieceFlag.Whole;
      heard.push(whole ? text(chunk.subarray(start, end)) : "a piece");
    },
    onPing: (payload) => void heard.push(`ping ${text(payload)}`),
    onPong: (payload) => void heard.push(`pong ${text(payload)}`),
    onCloseFrame: (code, reason) => {
      heard.push(`close ${code} ${reason}`);
      protocol.answerClose();
    },
    onFault: (error) => void heard.push(error.message),
  };
  const parameters = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  const pool = rawDeflate === null ? null : new DeflatePool(rawDeflate);
  const protocol = new Protocol(handler, {
    role,
    readLimit: 1_048_576,
    nextKey: () => crypto.getRandomValues(new Int32Array(1))[0]!,
    buffers: new BufferPool(),
    text: webText,
    deflate: compressed && pool !== null ? { parameters, level: 6, pool } : null,
  });
  return { protocol, heard };
}

/** Carries what is to be sent until there is no more of it. */
function carry(from: Side, to: Side): void {
  for (let run = from.protocol.output.take(); run !== null; run = from.protocol.output.take()) {
    to.protocol.receiveData(run.slice());
    from.protocol.output.release();
  }
}

for (const compressed of [false, true]) {
  const client = side("client", compressed);
  const server = side("server", compressed);
  client.protocol.sendText("hello");
  if (compressed) client.protocol.sendCompressed(1, new TextEncoder().encode("again and again and again"));
  client.protocol.sendPing(new TextEncoder().encode("?"));
  client.protocol.sendClose(CloseCode.NormalClosure, "done");
  carry(client, server);
  carry(server, client);
  const messages = compressed ? ["hello", "again and again and again"] : ["hello"];
  equal(server.heard.filter((what) => !what.startsWith("ping")), [...messages, "close 1000 done"]);
  equal(server.heard.includes("ping ?"), true);
  equal(client.heard, ["pong ?", "close 1000 done"]);
  equal([client.protocol.closeHandshake, server.protocol.closeHandshake], ["complete", "complete"]);
  client.protocol.close();
  server.protocol.close();
}
console.log("ok");
