/** What goes over the wire, in JSON: one object for each write, or for each datagram, or for each message. */

/** Asks for a sum. */
export interface Request {
  A: number;
  B: number;
}

/** Tells it. */
export interface Response {
  Sum: number;
}

/** The longest request or response, bytes. */
export const MAX_LENGTH = 256;

/** Answers a request, which may be anything. */
export function answer(request: unknown): Response {
  const { A, B } = Object(request) as Partial<Request>;
  if (typeof A !== "number" || typeof B !== "number") {
    throw new TypeError("The request has no numbers A and B");
  }
  return { Sum: A + B };
}
