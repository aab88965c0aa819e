/** Asks for sums over WebSocket: `ws_client.ts [ADDRESS [PATH]]`. */

import process from "node:process";
import {
  CloseCode,
  DeadlineExceededError,
  dialWebSocket,
  HandshakeError,
  isCloseError,
  isUnexpectedCloseError,
} from "../../mod.ts";
import type { Response } from "./messages.ts";

const [address = "127.0.0.1:8003", path = "/add"] = process.argv.slice(2);

try {
  const conn = await dialWebSocket(`ws://${address}${path}`, { headers: { cookie: "name=jackfield" } });
  for (let i = 1; i <= 5; i++) {
    conn.setReadDeadline(Date.now() + 20_000);
    await conn.writeJson({ A: i, B: i * 10 });
    const { Sum } = await conn.readJson<Response>();
    console.log(`${i} + ${i * 10} = ${Sum}`);
  }
  await conn.close();
} catch (error) {
  console.error(await explain(error));
  process.exitCode = 1;
}

/** Describes an error, told apart by the same helpers as in gorilla. */
async function explain(error: unknown): Promise<string> {
  if (error instanceof HandshakeError) {
    return `Refused with ${error.status}: ${await error.response?.text() ?? ""}`;
  }
  if (error instanceof DeadlineExceededError) return "Timed out";
  if (isCloseError(error, CloseCode.NormalClosure)) return "The server has closed the connection";
  if (isCloseError(error, CloseCode.GoingAway)) return "The server is going away";
  if (isUnexpectedCloseError(error)) return `The connection broke: ${error.code} ${error.reason}`;
  return String(error);
}
