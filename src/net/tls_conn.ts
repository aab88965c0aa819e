import { SocketConn, type TcpOptions } from "./socket_conn.ts";
import type { StreamSocket } from "./stream_socket.ts";
import type { TimerQueue } from "./timer_queue.ts";
import { connectionStateOf, type TlsConn, type TlsConnectionState } from "./tls.ts";

/** The {@linkcode TlsConn} over a socket under TLS. */
export class TlsSocketConn extends SocketConn implements TlsConn {
  readonly connectionState: TlsConnectionState;

  constructor(
    socket: StreamSocket,
    timers: TimerQueue,
    connectionState: TlsConnectionState,
    options?: TcpOptions | null,
    detached?: boolean,
  ) {
    super(socket, timers, options, detached);
    this.connectionState = connectionState;
  }
}

/** Creates the connection over a socket, under TLS or not. Parameters are those of {@linkcode SocketConn}. */
export function connOver(
  socket: StreamSocket,
  timers: TimerQueue,
  options: TcpOptions | null,
  detached = false,
): SocketConn {
  const state = connectionStateOf(socket);
  if (state === null) return new SocketConn(socket, timers, options, detached);
  return new TlsSocketConn(socket, timers, state, options, detached);
}
