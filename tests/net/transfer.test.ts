/**
 * Large transfers to a slow reader, in little memory. `JACKFIELD_TRANSFER_MIB` is their size in MiB, with which
 * the used memory is printed. With `JACKFIELD_TRANSFER_GARBAGE` as well, garbage counts, and no bound is checked.
 */

import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { transports } from "./transfer_peer.ts";
import { checkTransfer, limit, size } from "./transfer_processes.ts";

const program = fileURLToPath(new URL("./transfer_peer.ts", import.meta.url));

describe(`transfer: ${size} MiB to a slow reader`, () => {
  for (const transport of Object.keys(transports)) {
    it(`over ${transport}`, limit, () => checkTransfer(program, transport));
  }
});
