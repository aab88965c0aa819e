import { SocketConn, type TcpOptions } from "./socket_conn.ts";
import type { StreamSocket } from "./stream_socket.ts";
import type { TimerQueue } from "./timer_queue.ts";
import type { TlsConn, TlsConnectionState, TlsSocket } from "./tls.ts";

/** The {@linkcode TlsConn} over a socket under TLS. */
export class TlsSocketConn extends SocketConn implements TlsConn {
  readonly connectionState: TlsConnectionState;

  constructor(
    socket: StreamSocket,
    timers: TimerQueue,
    connectionState: TlsConnectionState,
    options?: TcpOptions,
  ) {
    super(socket, timers, options);
    this.connectionState = connectionState;
  }
}

/** What the handshake agreed on, for a socket under TLS. */
export function connectionStateOf(socket: StreamSocket): TlsConnectionState | null {
  return "connectionState" in socket ? (socket as TlsSocket).connectionState : null;
}
