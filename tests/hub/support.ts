/** A hub with a clock and randomness of the test's own. */

import { Hub } from "../../src/hub/hub.ts";
import type { HubMember } from "../../src/hub/hub_member.ts";
import type { HubOptions, RegisterOptions } from "../../src/hub/hub_options.ts";
import { Runtime, type RuntimeAdapter } from "../../src/net/runtime.ts";
import { Random } from "../bytes/random.ts";
import { VirtualClock } from "../net/virtual_clock.ts";
import { MemorySocket } from "./memory_socket.ts";

/** Somebody in a hub. */
export interface Entered {
  readonly socket: MemorySocket;
  readonly member: HubMember<string>;
}

/** Hubs that share a clock. */
export class HubWorld {
  readonly clock: VirtualClock = new VirtualClock();
  readonly runtime: Runtime;

  constructor(seed = 1) {
    const random = new Random(seed);
    this.runtime = new Runtime(
      {
        name: "memory",
        clock: this.clock,
        fillRandom: (into: Uint8Array) => into.set(random.bytes(into.length)),
      } as unknown as RuntimeAdapter,
    );
  }

  hub(options: HubOptions<string> = {}): Hub<string> {
    return new Hub<string>(this.runtime, options);
  }

  /** Ends the turn and lets what it led to be heard of, until nothing follows. */
  async settle(): Promise<void> {
    do await settled(); while (this.clock.endTurn() > 0);
  }
}

/** Registers a member in memory, and has it join. */
export function enter(hub: Hub<string>, ...rooms: string[]): Entered {
  return enterWith(hub, {}, ...rooms);
}

/** The same with options. */
export function enterWith(hub: Hub<string>, options: RegisterOptions, ...rooms: string[]): Entered {
  const socket = new MemorySocket();
  const member = hub.register(socket, "", options);
  for (const room of rooms) member.join(room);
  return { socket, member };
}

/** Lets promises that are settled be heard of. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
}
