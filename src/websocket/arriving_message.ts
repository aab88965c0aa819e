import { PayloadAssembler } from "../bytes/payload_assembler.ts";
import type { MessageType } from "./message.ts";
import type { ReceivedMessage } from "./message_reader.ts";

/** A message in pieces whose last piece has not come: gathered until then or, once it is opened, passed to its reader. */
export class ArrivingMessage {
  readonly type: MessageType;
  /** Receives the pieces; `null` as long as they are gathered. */
  reader: ReceivedMessage | null = null;
  #gathered: PayloadAssembler | null = new PayloadAssembler();

  constructor(type: MessageType) {
    this.type = type;
  }

  /** Number of bytes gathered so far. */
  get heldBytes(): number {
    return this.#gathered?.length ?? 0;
  }

  /**
   * Adds a copy of the piece `chunk[start, end)`. To be called while there is no reader.
   *
   * @param announced lower bound of the message's length, as the frames so far announce it, bytes
   * @param limit upper bound of the message's length, bytes
   */
  gather(chunk: Uint8Array, start: number, end: number, announced: number, limit: number): void {
    this.#gathered!.add(chunk, start, end, announced, limit);
  }

  /** The pieces that were gathered, joined. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#gathered!.bytes();
  }

  /** Passes what was gathered to a reader, which gets the other pieces as they come. */
  open(reader: ReceivedMessage): void {
    if (this.heldBytes > 0) reader.push(this.bytes());
    this.#gathered = null;
    this.reader = reader;
  }
}
