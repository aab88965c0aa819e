/** Random heads: the head readers and the checks of the handshake, compared with Node's HTTP parser. */

import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { checkUpgradeResponse } from "../../src/protocol/client_handshake.ts";
import {
  HttpHeadError,
  type RequestHead,
  RequestHeadReader,
  type ResponseHead,
  ResponseHeadReader,
} from "../../src/http/head.ts";
import {
  checkUpgradeRequest,
  encodeUpgradeResponse,
  isUpgradeRequest,
  sameOriginHost,
  selectSubprotocol,
} from "../../src/protocol/server_handshake.ts";
import { toRequest } from "../../src/server/request.ts";
import { ClientSignal } from "../../src/server/client_signal.ts";
import { currentAdapter } from "../../adapters/runtime.ts";
import type { TextCodec } from "../../src/bytes/text.ts";
import { PIPE_ADDR } from "../../src/net/addr.ts";
import { Random } from "../bytes/random.ts";
import { type Reader, readHead } from "../protocol/feed.ts";
import { toHex } from "../protocol/wire.ts";
import { limit, runCases } from "./cases.ts";
import { randomRequest, randomResponse } from "./heads.ts";
import { readByNode } from "./node_heads.ts";

/** The result of reading a head, in a form to compare. */
type Outcome<Head> = { head: Head; rest: string } | { refused: number } | "unfinished";

function outcome<Head>(reader: Reader<Head>, chunks: readonly Uint8Array[]): Outcome<Head> {
  try {
    const read = readHead(reader, chunks);
    return read === undefined ? "unfinished" : { head: read.head, rest: toHex(read.rest) };
  } catch (error) {
    assert.ok(error instanceof HttpHeadError, `not an HttpHeadError: ${error}`);
    const { status } = error;
    assert.ok(status >= 400 && status <= 599, `the status is ${status}`);
    assert.throws(() => reader.receive(new Uint8Array(1)), (again) => again === error, "it stays refused");
    return { refused: status };
  }
}

/** The result, which must not depend on how the wire is split. */
function settled<Head extends RequestHead | ResponseHead>(
  make: () => Reader<Head>,
  wire: Uint8Array,
  random: Random,
): Outcome<Head> {
  const whole = outcome(make(), [wire.slice()]);
  for (const most of [1, 3, 200]) {
    const cut = outcome(make(), random.cut(wire, most));
    assert.deepEqual(comparable(cut), comparable(whole), `cut to at most ${most} bytes`);
  }
  return whole;
}

function comparable(outcome: Outcome<RequestHead | ResponseHead>): unknown {
  if (outcome === "unfinished" || "refused" in outcome) return outcome;
  return { ...outcome, head: { ...outcome.head, headers: [...outcome.head.headers] } };
}

/** Checks that the handshake has a response to every head. */
function checkRequest(head: RequestHead): void {
  const check = checkUpgradeRequest(head);
  sameOriginHost(head.headers.get("origin"), head.headers.get("host") ?? "");
  if (!check.ok) {
    assert.ok(check.status >= 400 && check.status <= 599);
    return;
  }
  assert.ok(isUpgradeRequest(head));
  const subprotocol = selectSubprotocol(check.subprotocols, ["b", "chat"]);
  encodeUpgradeResponse({ key: check.key, subprotocol, extensions: check.extensions });
}

/** The runtime's own text codec, and none. */
const codec = (seed: number): TextCodec | null => seed % 2 === 0 ? currentAdapter().text : null;

const UNSUPPORTED = ["CONNECT", "TRACE", "TRACK"];

/** Checks that every head becomes a `Request` or an error with a status. */
function checkWebRequest(head: RequestHead): void {
  if (UNSUPPORTED.includes(head.method.toUpperCase())) return;
  try {
    const request = toRequest(head, { localAddr: PIPE_ADDR, secure: false, client: new ClientSignal() });
    assert.equal(request.method.toUpperCase(), head.method.toUpperCase());
  } catch (error) {
    assert.ok(error instanceof HttpHeadError, `not an HttpHeadError: ${error}`);
  }
}

describe("heads at random", () => {
  it("of requests are read or refused, however they are cut", limit, () =>
    runCases(1500, (random) => {
      const wire = randomRequest(random);
      const seed = random.uint32();
      const check = (wire: Uint8Array) => {
        const result = settled(() => new RequestHeadReader(null, codec(seed)), wire, new Random(seed));
        if (result === "unfinished" || "refused" in result) return;
        checkRequest(result.head);
        checkWebRequest(result.head);
      };
      return { wire, check };
    }));

  it("of responses are read or refused, however they are cut", limit, () =>
    runCases(1000, (random) => {
      const wire = randomResponse(random);
      const seed = random.uint32();
      const check = (wire: Uint8Array) => {
        const result = settled(() => new ResponseHeadReader(null, codec(seed)), wire, new Random(seed));
        if (result === "unfinished" || "refused" in result) return;
        const offer = { key: "dGhlIHNhbXBsZSBub25jZQ==", subprotocols: ["chat"], extensions: [] };
        const check = checkUpgradeResponse(result.head, offer);
        assert.ok(check.ok || check.reason !== "");
      };
      return { wire, check };
    }));
});

const other = process.versions.bun !== undefined || process.versions.deno !== undefined;

/** Methods of these tests that Node's parser knows. */
const KNOWN = ["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "TRACE", "PATCH"];

describe("heads of requests at random, read by Node too", () => {
  it("mean the same to it, where we accept them", {
    ...limit,
    skip: other && "node:http has another parser here",
  }, async () => {
    let accepted = 0;
    await runCases(1500, (random) => {
      const wire = randomRequest(random);
      const check = async (wire: Uint8Array) => {
        const ours = outcome(new RequestHeadReader(), [wire.slice()]);
        if (ours === "unfinished" || "refused" in ours || !KNOWN.includes(ours.head.method)) return;
        accepted++;
        const { method, target, headers } = ours.head;
        const fields = [...headers].map(([name, value]) => `${name}: ${value}`);
        assert.deepEqual(await readByNode(wire), { method, target, fields });
      };
      return { wire, check };
    });
    assert.ok(accepted > 0);
  });
});
