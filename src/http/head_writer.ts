/** Writes the heads of HTTP/1.1 messages (RFC 9112). */

import { encodeLatin1 } from "../bytes/latin1.ts";
import { consistsOf, isFieldValue, isToken, VISIBLE_CHAR } from "./header_fields.ts";

/** The head of a request as bytes; throws `TypeError` on a character that could end a line early (RFC 9112, 11.1). */
export function encodeRequestHead(
  method: string,
  target: string,
  fields: Iterable<readonly [name: string, value: string]>,
): Uint8Array {
  if (!isToken(method)) {
    throw new TypeError(`Cannot send the method ${JSON.stringify(method)}: it is not a token`);
  }
  if (target === "" || !consistsOf(target, VISIBLE_CHAR)) {
    throw new TypeError(`Cannot send the request target ${JSON.stringify(target)}: it must be visible ASCII`);
  }
  return encodeLatin1(headText(`${method} ${target} HTTP/1.1\r\n`, fields));
}

/** The head of a response as bytes; throws `TypeError` on a character that could end a line early (RFC 9112, 11.1). */
export function encodeResponseHead(
  status: number,
  reason: string,
  fields: Iterable<readonly [name: string, value: string]>,
): Uint8Array {
  return encodeLatin1(responseHeadText(status, reason, fields));
}

/** The head of a response as text, one character a byte; throws `TypeError` as {@linkcode encodeResponseHead}. */
export function responseHeadText(
  status: number,
  reason: string,
  fields: Iterable<readonly [name: string, value: string]>,
): string {
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw new TypeError(`Cannot send the status ${status}: it must be a whole number from 100 to 999`);
  }
  if (!isFieldValue(reason)) {
    throw new TypeError(
      `Cannot send the reason ${JSON.stringify(reason)}: it must be latin1 without controls`,
    );
  }
  return headText(`HTTP/1.1 ${status} ${reason}\r\n`, fields);
}

/** The usual reason phrase of a status (RFC 9110, 15); `""` for an unknown status. */
export function statusText(status: number): string {
  return STATUS_TEXTS.get(status) ?? "";
}

function headText(startLine: string, fields: Iterable<readonly [name: string, value: string]>): string {
  let text = startLine;
  for (const [name, value] of fields) {
    if (!isToken(name)) {
      throw new TypeError(`Cannot send the header name ${JSON.stringify(name)}: it is not a token`);
    }
    if (!isFieldValue(value)) {
      throw new TypeError(`Cannot send the value of the header ${name}: it must be latin1 without controls`);
    }
    text += `${name}: ${value}\r\n`;
  }
  return text + "\r\n";
}

const STATUS_TEXTS: ReadonlyMap<number, string> = new Map([
  [100, "Continue"],
  [101, "Switching Protocols"],
  [103, "Early Hints"],
  [200, "OK"],
  [201, "Created"],
  [202, "Accepted"],
  [204, "No Content"],
  [206, "Partial Content"],
  [301, "Moved Permanently"],
  [302, "Found"],
  [303, "See Other"],
  [304, "Not Modified"],
  [307, "Temporary Redirect"],
  [308, "Permanent Redirect"],
  [400, "Bad Request"],
  [401, "Unauthorized"],
  [403, "Forbidden"],
  [404, "Not Found"],
  [405, "Method Not Allowed"],
  [406, "Not Acceptable"],
  [407, "Proxy Authentication Required"],
  [408, "Request Timeout"],
  [409, "Conflict"],
  [410, "Gone"],
  [411, "Length Required"],
  [413, "Content Too Large"],
  [414, "URI Too Long"],
  [415, "Unsupported Media Type"],
  [417, "Expectation Failed"],
  [421, "Misdirected Request"],
  [422, "Unprocessable Content"],
  [426, "Upgrade Required"],
  [428, "Precondition Required"],
  [429, "Too Many Requests"],
  [431, "Request Header Fields Too Large"],
  [500, "Internal Server Error"],
  [501, "Not Implemented"],
  [502, "Bad Gateway"],
  [503, "Service Unavailable"],
  [504, "Gateway Timeout"],
  [505, "HTTP Version Not Supported"],
]);
