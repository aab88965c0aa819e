import { currentAdapter } from "../../adapters/runtime.ts";
import type { Conn, Listener, TcpConn } from "../../src/net/conn.ts";
import { dialOn, type DialOptions, listenOn, type ListenOptions } from "../../src/net/dial.ts";
import { pipeOn } from "../../src/net/pipe.ts";
import { Runtime } from "../../src/net/runtime.ts";
const runtime = new Runtime(currentAdapter());
export const dial = (n: "tcp", a: string, o?: DialOptions): Promise<TcpConn> => dialOn(runtime, n, a, o);
export const listen = (n: "tcp", a: string, o?: ListenOptions): Promise<Listener<TcpConn>> =>
  listenOn(runtime, n, a, o);
export const pipe = (): [Conn, Conn] => pipeOn(runtime);
