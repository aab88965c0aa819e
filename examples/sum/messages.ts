/** The wire format: a JSON object for each line over TCP, each datagram, or each WebSocket message. */

/** A request for the sum of two numbers. */
export interface Request {
  A: number;
  B: number;
}

/** The response with the sum. */
export interface Response {
  Sum: number;
}

/** Upper bound of a request or a response, bytes. */
export const MAX_LENGTH = 256;

/** Computes the response to a request, which is not checked yet. */
export function answer(request: unknown): Response {
  const { A, B } = Object(request) as Partial<Request>;
  if (typeof A !== "number" || typeof B !== "number") {
    throw new TypeError("The request has no numbers A and B");
  }
  return { Sum: A + B };
}
