/** The negotiation of permessage-deflate, RFC 7692, 7.1. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  acceptDeflate,
  checkDeflateResponse,
  type DeflateWishes,
  offerDeflate,
} from "../../src/protocol/deflate_negotiation.ts";
import { formatExtensionList, parseExtensionList } from "../../src/http/header_fields.ts";

const PLAIN: DeflateWishes = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** The server's answer to offers, as header fields; `null` when it declines. */
function answer(offers: string, wishes: Partial<DeflateWishes> = {}): string | null {
  const accepted = acceptDeflate(parseExtensionList(offers)!, { ...PLAIN, ...wishes });
  return accepted && formatExtensionList([accepted.response]);
}

const P = "permessage-deflate";

describe("RFC 7692, 5 and 7.1: a server answers", () => {
  const cases: [string, string, Partial<DeflateWishes>, string | null][] = [
    ["an offer without parameters", P, {}, P],
    ["nothing when nothing is offered", "x-webkit-deflate-frame", {}, null],
    ["a browser's offer", `${P}; client_max_window_bits`, {}, P],
    [
      "the first offer that it can accept",
      `${P}; server_max_window_bits=7, ${P}; server_max_window_bits=10`,
      {},
      `${P}; server_max_window_bits=10`,
    ],
    [
      "the first of several good offers",
      `${P}; server_no_context_takeover, ${P}`,
      {},
      `${P}; server_no_context_takeover`,
    ],
    ["past other extensions", `foo; bar=1, ${P}`, {}, P],
    [
      "7.1.1.1 server_no_context_takeover",
      `${P}; server_no_context_takeover`,
      {},
      `${P}; server_no_context_takeover`,
    ],
    [
      "7.1.1.1 its own server_no_context_takeover",
      P,
      { serverNoContextTakeover: true },
      `${P}; server_no_context_takeover`,
    ],
    [
      "7.1.1.2 client_no_context_takeover",
      `${P}; client_no_context_takeover`,
      {},
      `${P}; client_no_context_takeover`,
    ],
    [
      "7.1.1.2 its own client_no_context_takeover",
      P,
      { clientNoContextTakeover: true },
      `${P}; client_no_context_takeover`,
    ],
    [
      "7.1.2.1 server_max_window_bits",
      `${P}; server_max_window_bits=9`,
      {},
      `${P}; server_max_window_bits=9`,
    ],
    ["7.1.2.1 the smallest", `${P}; server_max_window_bits=8`, {}, `${P}; server_max_window_bits=8`],
    [
      "7.1.2.1 the largest, which is what it is anyway",
      `${P}; server_max_window_bits=15`,
      {},
      `${P}; server_max_window_bits=15`,
    ],
    [
      "7.1.2.1 a smaller one of its own",
      `${P}; server_max_window_bits=12`,
      { serverMaxWindowBits: 10 },
      `${P}; server_max_window_bits=10`,
    ],
    ["7.1.2.1 its own unasked", P, { serverMaxWindowBits: 10 }, `${P}; server_max_window_bits=10`],
    ["7.1.2.2 its own client_max_window_bits when it may", `${P}; client_max_window_bits`, {
      clientMaxWindowBits: 10,
    }, `${P}; client_max_window_bits=10`],
    ["7.1.2.2 none when it may not", P, { clientMaxWindowBits: 10 }, P],
    ["7.1.2.2 the client's own", `${P}; client_max_window_bits=11`, {}, `${P}; client_max_window_bits=11`],
    [
      "7.1.2.2 the smaller of both",
      `${P}; client_max_window_bits=11`,
      { clientMaxWindowBits: 9 },
      `${P}; client_max_window_bits=9`,
    ],
    ["a quoted value", `${P}; server_max_window_bits="10"`, {}, `${P}; server_max_window_bits=10`],
    [
      "all four",
      `${P}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10`,
      {},
      `${P}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10`,
    ],
  ];
  for (const [name, offers, wishes, expected] of cases) {
    it(name, () => assert.equal(answer(offers, wishes), expected));
  }

  const invalid = [
    "server_max_window_bits",
    "server_max_window_bits=7",
    "server_max_window_bits=16",
    'server_max_window_bits=""',
    "server_max_window_bits=08",
    "server_max_window_bits=8x",
    "server_max_window_bits=8.0",
    "server_max_window_bits=-8",
    "client_max_window_bits=7",
    "client_max_window_bits=16",
    'client_max_window_bits=""',
    "client_max_window_bits=010",
    "client_max_window_bits=1e1",
    "server_no_context_takeover=1",
    "client_no_context_takeover=true",
    "server_no_context_takeover; server_no_context_takeover",
    "client_max_window_bits; client_max_window_bits=9",
    "server_max_window_bits=9; server_max_window_bits=9",
    "unknown",
    "unknown=1",
    "constructor",
    "__proto__=1",
    "SERVER_NO_CONTEXT_TAKEOVER_",
  ];
  for (const params of invalid) {
    it(`nothing to ${params}`, () => {
      if (params.includes('""')) return assert.equal(parseExtensionList(`${P}; ${params}`), null);
      assert.equal(answer(`${P}; ${params}`), null);
      assert.equal(answer(`${P}; ${params}, ${P}`), P);
    });
  }
});

describe("RFC 7692, 5 and 7.1: a client", () => {
  it("offers what it wants", () => {
    const offer = (wishes: Partial<DeflateWishes>) =>
      formatExtensionList([offerDeflate({ ...PLAIN, ...wishes })]);
    assert.equal(offer({}), `${P}; client_max_window_bits`);
    assert.equal(
      offer({
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 9,
        clientMaxWindowBits: 10,
      }),
      `${P}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10`,
    );
  });

  const check = (response: string, wishes: Partial<DeflateWishes> = {}) =>
    checkDeflateResponse(parseExtensionList(response)!, { ...PLAIN, ...wishes });

  it("takes what answers its offer", () => {
    assert.deepEqual(check(P), PLAIN);
    assert.deepEqual(check(`${P}; server_no_context_takeover`), { ...PLAIN, serverNoContextTakeover: true });
    assert.deepEqual(check(`${P}; client_no_context_takeover`), { ...PLAIN, clientNoContextTakeover: true });
    assert.deepEqual(check(`${P}; server_max_window_bits=8`), { ...PLAIN, serverMaxWindowBits: 8 });
    assert.deepEqual(check(`${P}; client_max_window_bits=8`), { ...PLAIN, clientMaxWindowBits: 8 });
    const wishes = { serverMaxWindowBits: 10, clientMaxWindowBits: 10 };
    assert.deepEqual(check(`${P}; server_max_window_bits=9`, wishes), {
      ...PLAIN,
      serverMaxWindowBits: 9,
      clientMaxWindowBits: 10,
    });
    // 7.1.1.2: what it does without by itself it needs nobody's word for.
    assert.deepEqual(check(P, { clientNoContextTakeover: true }), {
      ...PLAIN,
      clientNoContextTakeover: true,
    });
  });

  const refused: [string, Partial<DeflateWishes>][] = [
    [`${P}, ${P}`, {}],
    [`${P}; unknown`, {}],
    [`${P}; server_max_window_bits`, {}],
    [`${P}; server_max_window_bits=16`, {}],
    [`${P}; server_max_window_bits=7`, {}],
    [`${P}; client_max_window_bits`, {}],
    [`${P}; client_max_window_bits=7`, {}],
    [`${P}; server_no_context_takeover=1`, {}],
    [`${P}; client_no_context_takeover; client_no_context_takeover`, {}],
    [`${P}; server_max_window_bits=11`, { serverMaxWindowBits: 10 }],
    [P, { serverMaxWindowBits: 10 }],
    [P, { serverNoContextTakeover: true }],
    [`${P}; client_max_window_bits=11`, { clientMaxWindowBits: 10 }],
  ];
  for (const [response, wishes] of refused) {
    it(`refuses ${response} to ${JSON.stringify(wishes)}`, () => assert.equal(check(response, wishes), null));
  }
});
