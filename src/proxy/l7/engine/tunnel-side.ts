/** What one connection of a tunnel hands its events to. */
export interface TunnelSide {
  /** False: read nothing more for now. */
  bytes(b: Uint8Array, count: number): boolean
  /** Bytes that had been read before the tunnel was there; copied. */
  kept(b: Uint8Array, start: number, end: number): void
  drained(): void
  end(): void
  closed(): void
}
