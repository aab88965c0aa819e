/** The messages that the chat sends. */

/**
 * Controls that terminals obey and JSON does not escape: DEL and C1, such as U+009B, which begins a command to the
 * terminal. And marks that turn the direction of what is printed after them, and separators of lines.
 */
const COMMANDS = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A message as JSON that can be printed by a terminal: what is a command to one is escaped. */
export function encodeMessage(message: Record<string, unknown>): string {
  return JSON.stringify(message).replace(COMMANDS, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
