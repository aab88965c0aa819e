/** The negotiation of permessage-deflate, RFC 7692, 7.1. */

import type { Extension, ExtensionParam } from "../http/header_fields.ts";

/** The extension's name (RFC 7692, 7). */
export const PERMESSAGE_DEFLATE = "permessage-deflate";

/** Bits of the largest window, which is the default: 32 KiB (RFC 7692, 7.1.2). */
const LARGEST_WINDOW = 15;

/** Parameters of permessage-deflate that both sides agreed on (RFC 7692, 7.1). */
export interface DeflateParameters {
  /** Whether the server compresses each message without reference to earlier ones. */
  readonly serverNoContextTakeover: boolean;
  /** Whether the client compresses each message without reference to earlier ones. */
  readonly clientNoContextTakeover: boolean;
  /** Base-2 logarithm of the server's compression window in bytes, 8 to 15. */
  readonly serverMaxWindowBits: number;
  /** Base-2 logarithm of the client's compression window in bytes, 8 to 15. */
  readonly clientMaxWindowBits: number;
}

/** Parameters that this side wishes for. */
export type DeflateWishes = DeflateParameters;

/** Parameters of one list element; `undefined` for one that is absent, `true` for a name without a value. */
interface ReadParams {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number | undefined;
  readonly clientMaxWindowBits: number | true | undefined;
}

/**
 * The server's choice: the first of the client's offers that is valid (RFC 7692, 5), limited by the wishes.
 *
 * @returns what was agreed on, and the list element that says so; `null` without a valid offer
 */
export function acceptDeflate(
  offers: readonly Extension[],
  wishes: DeflateWishes,
): { parameters: DeflateParameters; response: Extension } | null {
  for (const { name, params } of offers) {
    if (name !== PERMESSAGE_DEFLATE) continue;
    // 7.1: an offer with an unknown, invalid or repeated parameter is declined.
    const offer = readParams(params);
    if (offer === null) continue;
    const parameters = agree(offer, wishes);
    return { parameters, response: { name, params: responseParams(offer, parameters) } };
  }
  return null;
}

function agree(offer: ReadParams, wishes: DeflateWishes): DeflateParameters {
  const { serverMaxWindowBits = LARGEST_WINDOW, clientMaxWindowBits } = offer;
  // 7.1.2.2: without this parameter in the offer, the client's window cannot be limited.
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
  // 7.1.2.1: the answer to a requested limit names the limit that applies.
  if (offer.serverMaxWindowBits !== undefined || serverMaxWindowBits < LARGEST_WINDOW) {
    params.push({ name: "server_max_window_bits", value: String(serverMaxWindowBits) });
  }
  if (clientMaxWindowBits < LARGEST_WINDOW) {
    params.push({ name: "client_max_window_bits", value: String(clientMaxWindowBits) });
  }
  return params;
}

/** The list element with which a client offers its wishes (RFC 7692, 7.1). */
export function offerDeflate(wishes: DeflateWishes): Extension {
  const params = contextParams(wishes);
  const { serverMaxWindowBits, clientMaxWindowBits } = wishes;
  if (serverMaxWindowBits < LARGEST_WINDOW) {
    params.push({ name: "server_max_window_bits", value: String(serverMaxWindowBits) });
  }
  // 7.1.2.2: only this parameter allows a server to limit the client's window.
  const value = clientMaxWindowBits < LARGEST_WINDOW ? String(clientMaxWindowBits) : true;
  params.push({ name: "client_max_window_bits", value });
  return { name: PERMESSAGE_DEFLATE, params };
}

/**
 * The parameters that a server's response and the client's offer agree on; `null` where the response does not fit the
 * offer, so that the client must fail the connection (RFC 7692, 5).
 *
 * @param extensions the extensions in the response
 * @param offered the wishes given to {@linkcode offerDeflate}
 */
export function checkDeflateResponse(
  extensions: readonly Extension[],
  offered: DeflateWishes,
): DeflateParameters | null {
  const [extension, ...others] = extensions.filter(({ name }) => name === PERMESSAGE_DEFLATE);
  const response = extension === undefined || others.length > 0 ? null : readParams(extension.params);
  if (response === null) return null;
  const { serverMaxWindowBits, clientMaxWindowBits = LARGEST_WINDOW } = response;
  // 7.1.1.1, 7.1.2.1: a server accepts such a request by repeating the parameter.
  if (offered.serverNoContextTakeover && !response.serverNoContextTakeover) return null;
  if (offered.serverMaxWindowBits < LARGEST_WINDOW && serverMaxWindowBits === undefined) return null;
  if ((serverMaxWindowBits ?? LARGEST_WINDOW) > offered.serverMaxWindowBits) return null;
  // 7.1.2.2: in a response this parameter has a value, at most the offered one.
  if (clientMaxWindowBits === true) return null;
  if (response.clientMaxWindowBits !== undefined && clientMaxWindowBits > offered.clientMaxWindowBits) {
    return null;
  }
  return {
    serverNoContextTakeover: response.serverNoContextTakeover,
    // 7.1.1.2: a client may give up context takeover whatever the response says.
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

/** The parameters of one list element; `null` if one is unknown, invalid or repeated (RFC 7692, 7.1). */
function readParams(params: readonly ExtensionParam[]): ReadParams | null {
  const said = new Map<string, string | true>();
  for (const { name, value } of params) {
    if (!NAMES.has(name) || said.has(name)) return null;
    said.set(name, value);
  }
  const serverNoContextTakeover = said.get("server_no_context_takeover");
  const clientNoContextTakeover = said.get("client_no_context_takeover");
  // 7.1.1: neither of these two has a value.
  if (typeof serverNoContextTakeover === "string" || typeof clientNoContextTakeover === "string") return null;
  const serverMaxWindowBits = readWindowBits(said.get("server_max_window_bits"));
  const clientMaxWindowBits = readWindowBits(said.get("client_max_window_bits"));
  // 7.1.2.1: server_max_window_bits always has a value.
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

/** The bits of a window: a decimal number from 8 to 15 without leading zeros (7.1.2); `null` for any other text. */
function readWindowBits(value: string | true | undefined): number | true | undefined | null {
  if (typeof value !== "string") return value;
  return /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : null;
}
