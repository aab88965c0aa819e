/** The negotiation of permessage-deflate, RFC 7692, 7.1. */

import type { Extension, ExtensionParam } from "../http/header_fields.ts";

/** The extension's name (RFC 7692, 7). */
export const PERMESSAGE_DEFLATE = "permessage-deflate";

const LARGEST_WINDOW = 15;

/** What both sides agreed on. */
export interface DeflateParameters {
  /** Whether the server compresses each message by itself. */
  readonly serverNoContextTakeover: boolean;
  /** Whether the client does. */
  readonly clientNoContextTakeover: boolean;
  /** How far the server's references reach back, as a power of two. */
  readonly serverMaxWindowBits: number;
  /** How far the client's do. */
  readonly clientMaxWindowBits: number;
}

/** What this side wants. */
export type DeflateWishes = DeflateParameters;

/** What an extension's element says; `undefined` for what it does not say, `true` for a name without a value. */
interface ReadParams {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number | undefined;
  readonly clientMaxWindowBits: number | true | undefined;
}

/** The server's answer to the first of the client's offers that it can accept (RFC 7692, 5), `null` for none. */
export function acceptDeflate(
  offers: readonly Extension[],
  wishes: DeflateWishes,
): { parameters: DeflateParameters; response: Extension } | null {
  for (const { name, params } of offers) {
    if (name !== PERMESSAGE_DEFLATE) continue;
    // 7.1: an offer with a parameter that is unknown, invalid or repeated is declined.
    const offer = readParams(params);
    if (offer === null) continue;
    const parameters = agree(offer, wishes);
    return { parameters, response: { name, params: responseParams(offer, parameters) } };
  }
  return null;
}

function agree(offer: ReadParams, wishes: DeflateWishes): DeflateParameters {
  const { serverMaxWindowBits = LARGEST_WINDOW, clientMaxWindowBits } = offer;
  // 7.1.2.2: a client that does not speak of its window cannot make it smaller.
  const clientLargest = clientMaxWindowBits === true ? LARGEST_WINDOW : clientMaxWindowBits;
  return {
    serverNoContextTakeover: offer.serverNoContextTakeover || wishes.serverNoContextTakeover,
    clientNoContextTakeover: offer.clientNoContextTakeover || wishes.clientNoContextTakeover,
    serverMaxWindowBits: Math.min(serverMaxWindowBits, wishes.serverMaxWindowBits),
    clientMaxWindowBits: clientLargest === undefined
      ? LARGEST_WINDOW
      : Math.min(clientLargest, wishes.clientMaxWindowBits),
  };
}

function responseParams(offer: ReadParams, agreed: DeflateParameters): ExtensionParam[] {
  const params = contextParams(agreed);
  const { serverMaxWindowBits, clientMaxWindowBits } = agreed;
  // 7.1.2.1: whoever asked for a limit is told the one that holds.
  if (offer.serverMaxWindowBits !== undefined || serverMaxWindowBits < LARGEST_WINDOW) {
    params.push({ name: "server_max_window_bits", value: String(serverMaxWindowBits) });
  }
  if (clientMaxWindowBits < LARGEST_WINDOW) {
    params.push({ name: "client_max_window_bits", value: String(clientMaxWindowBits) });
  }
  return params;
}

/** What a client offers. */
export function offerDeflate(wishes: DeflateWishes): Extension {
  const params = contextParams(wishes);
  const { serverMaxWindowBits, clientMaxWindowBits } = wishes;
  if (serverMaxWindowBits < LARGEST_WINDOW) {
    params.push({ name: "server_max_window_bits", value: String(serverMaxWindowBits) });
  }
  // 7.1.2.2: without it a server may not ask for a smaller window.
  const value = clientMaxWindowBits < LARGEST_WINDOW ? String(clientMaxWindowBits) : true;
  params.push({ name: "client_max_window_bits", value });
  return { name: PERMESSAGE_DEFLATE, params };
}

/** What a server's answer comes to, `null` when it does not answer the offer: the connection is to be failed (RFC 7692, 5). */
export function checkDeflateResponse(
  extensions: readonly Extension[],
  offered: DeflateWishes,
): DeflateParameters | null {
  const [extension, ...others] = extensions.filter(({ name }) => name === PERMESSAGE_DEFLATE);
  const response = extension === undefined || others.length > 0 ? null : readParams(extension.params);
  if (response === null) return null;
  const { serverMaxWindowBits, clientMaxWindowBits = LARGEST_WINDOW } = response;
  // 7.1.1.1, 7.1.2.1: what was asked of the server is accepted by saying so.
  if (offered.serverNoContextTakeover && !response.serverNoContextTakeover) return null;
  if (offered.serverMaxWindowBits < LARGEST_WINDOW && serverMaxWindowBits === undefined) return null;
  if ((serverMaxWindowBits ?? LARGEST_WINDOW) > offered.serverMaxWindowBits) return null;
  // 7.1.2.2: in an answer it has a value, no larger than the one that was offered.
  if (clientMaxWindowBits === true) return null;
  if (response.clientMaxWindowBits !== undefined && clientMaxWindowBits > offered.clientMaxWindowBits) {
    return null;
  }
  return {
    serverNoContextTakeover: response.serverNoContextTakeover,
    // 7.1.1.2: a client may do without, whatever the answer says.
    clientNoContextTakeover: response.clientNoContextTakeover || offered.clientNoContextTakeover,
    serverMaxWindowBits: serverMaxWindowBits ?? LARGEST_WINDOW,
    clientMaxWindowBits: Math.min(clientMaxWindowBits, offered.clientMaxWindowBits),
  };
}

function contextParams(of: DeflateParameters): ExtensionParam[] {
  const params: ExtensionParam[] = [];
  if (of.serverNoContextTakeover) params.push({ name: "server_no_context_takeover", value: true });
  if (of.clientNoContextTakeover) params.push({ name: "client_no_context_takeover", value: true });
  return params;
}

const NAMES: ReadonlySet<string> = new Set([
  "server_no_context_takeover",
  "client_no_context_takeover",
  "server_max_window_bits",
  "client_max_window_bits",
]);

/** The parameters of one element; `null` when one is unknown, invalid or there twice (RFC 7692, 7.1). */
function readParams(params: readonly ExtensionParam[]): ReadParams | null {
  const said = new Map<string, string | true>();
  for (const { name, value } of params) {
    if (!NAMES.has(name) || said.has(name)) return null;
    said.set(name, value);
  }
  const serverNoContextTakeover = said.get("server_no_context_takeover");
  const clientNoContextTakeover = said.get("client_no_context_takeover");
  // 7.1.1: these two have no value.
  if (typeof serverNoContextTakeover === "string" || typeof clientNoContextTakeover === "string") return null;
  const serverMaxWindowBits = readWindowBits(said.get("server_max_window_bits"));
  const clientMaxWindowBits = readWindowBits(said.get("client_max_window_bits"));
  // 7.1.2.1: this one always has a value.
  if (serverMaxWindowBits === null || serverMaxWindowBits === true || clientMaxWindowBits === null) {
    return null;
  }
  return {
    serverNoContextTakeover: serverNoContextTakeover === true,
    clientNoContextTakeover: clientNoContextTakeover === true,
    serverMaxWindowBits,
    clientMaxWindowBits,
  };
}

/** 7.1.2: a decimal number from 8 to 15 without a zero in front; `null` when it is none. */
function readWindowBits(value: string | true | undefined): number | true | undefined | null {
  if (typeof value !== "string") return value;
  return /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : null;
}
