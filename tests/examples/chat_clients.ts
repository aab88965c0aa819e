/** The chat in this process, and clients that talk to it through both doors. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Chat, type ChatOptions } from "../../examples/chat/chat.ts";
import { type DoorOptions, openLineDoor, openWebDoor } from "../../examples/chat/doors.ts";
import { dial, dialWebSocket, Framed, LinesCodec, type WebSocketConn } from "../../mod.ts";

/** What the chat sends. */
export interface ChatMessage {
  type: string;
  name?: string;
  text?: string;
  message?: string;
  members?: string[];
  more?: number;
  room?: string;
  at?: string;
  refused?: string;
}

/** A running chat. */
export interface RunningChat {
  chat: Chat;
  webAddress: string;
  lineAddress: string;
  stop(): Promise<void>;
}

/** Opens both doors on free ports. */
export async function startChat(options: DoorOptions & ChatOptions = {}): Promise<RunningChat> {
  const chat = new Chat({
    onError: (error) => console.error("The chat failed:", error),
    ...options,
  });
  const web = await openWebDoor(chat, "127.0.0.1:0", "<title>chat</title>", options);
  const line = await openLineDoor(chat, "127.0.0.1:0", options);
  return {
    chat,
    webAddress: String(web.addr),
    lineAddress: String(line.listener.addr),
    async stop() {
      await Promise.all([web.shutdown(), line.close()]);
    },
  };
}

/** Somebody in the chat, by whichever door. */
export interface ChatClient {
  send(message: unknown): Promise<void>;
  /** Sends a text as it is: a message or a line. */
  sendText(text: string): Promise<void>;
  /** The next message as it came; `null` at the end. */
  receiveText(): Promise<string | null>;
  close(): Promise<unknown>;
}

/** Comes in by the WebSocket. */
export async function enterByWeb({ webAddress }: RunningChat): Promise<ChatClient & { conn: WebSocketConn }> {
  const conn = await dialWebSocket(`ws://${webAddress}/ws`);
  const messages = conn[Symbol.asyncIterator]();
  return {
    conn,
    send: (message) => conn.writeJson(message),
    sendText: (text) => conn.writeMessage(text),
    async receiveText() {
      const { done, value } = await messages.next();
      return done ? null : String(value.data);
    },
    close: () => conn.close(),
  };
}

/** Comes in by the line door. */
export async function enterByLine({ lineAddress }: RunningChat): Promise<ChatClient> {
  const framed = new Framed(await dial("tcp", lineAddress), new LinesCodec({ maxLength: 1 << 24 }));
  return {
    send: (message) => framed.write(JSON.stringify(message)),
    sendText: (text) => framed.write(text),
    receiveText: () => framed.read(),
    close: () => framed.close(),
  };
}

/** The next message of one of these types, the others left out. */
export async function receive(client: ChatClient, ...types: string[]): Promise<ChatMessage> {
  for (let text = await client.receiveText(); text !== null; text = await client.receiveText()) {
    const message = JSON.parse(text) as ChatMessage;
    if (types.includes(message.type)) return message;
  }
  throw new Error(`The chat ended before ${types.join(" or ")} came`);
}

/** Joins a room and waits for the welcome. */
export async function join(client: ChatClient, room: string, name: string): Promise<ChatMessage> {
  await client.send({ type: "join", room, name });
  return await receive(client, "welcome", "error");
}

/** A bare TCP connection to `host:port`, and all that comes on it until the end. */
export async function rawClient(address: string): Promise<{ socket: Socket; all: Promise<Uint8Array> }> {
  const colon = address.lastIndexOf(":");
  const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon));
  const chunks: Uint8Array[] = [];
  const all = new Promise<Uint8Array>((resolve) => {
    socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.on("close", () => resolve(joinChunks(chunks)));
  });
  await once(socket, "connect");
  return { socket, all };
}

function joinChunks(chunks: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
