/**
 * Memory in which an adapter masks several times as fast as elsewhere. All connections share it, so bytes in it are
 * valid only during the call that put them there.
 */
export interface MaskMemory {
  /** The whole memory. */
  readonly bytes: Uint8Array;
  /**
   * Index in `bytes` from which on callers may copy payloads in order to unmask them; the adapter reads into the rest.
   */
  readonly workspace: number;
  /** Whether a call holds bytes in the workspace; no other call may use it then. */
  inUse: boolean;
  /** Masks or unmasks `bytes[start, end)` in place, as `applyMask` does. */
  mask(start: number, end: number, key: number): void;
}
