/**
 * One long message to a slow reader, in little memory. `JACKFIELD_TRANSFER_MIB` is its length in MiB, with
 * which the used memory is printed. With `JACKFIELD_TRANSFER_GARBAGE` as well, garbage counts, and no bound is checked.
 */

import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { checkTransfer, limit, size } from "../net/transfer_processes.ts";
import { ways } from "./transfer_peer.ts";

const program = fileURLToPath(new URL("./transfer_peer.ts", import.meta.url));

describe(`transfer: one message of ${size} MiB to a slow reader`, () => {
  for (const way of Object.keys(ways)) it(way, limit, () => checkTransfer(program, way));
});
