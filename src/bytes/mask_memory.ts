/**
 * Memory in which masking takes a fraction of what it takes elsewhere. There is one for all connections, so that what lies
 * in it is valid only during the call that put it there.
 */
export interface MaskMemory {
  /** All of it. */
  readonly bytes: Uint8Array;
  /** From here on others may copy into it what they are going to unmask. */
  readonly workspace: number;
  /** Somebody does. */
  inUse: boolean;
  /** Masks or unmasks `bytes[start, end)` in place, as `applyMask` does. */
  mask(start: number, end: number, key: number): void;
}
