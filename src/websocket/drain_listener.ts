/** An object that waits for written bytes to leave. Cheaper than a promise: one object serves every wait. */
export interface DrainListener {
  /** All that was queued when the listener was registered has left. */
  onDrained(): void;
  /** The write deadline passed, or the connection ended first. */
  onFailed(): void;
}
