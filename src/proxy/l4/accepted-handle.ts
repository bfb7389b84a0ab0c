/** An accepted connection below `net.Socket`, not yet read from. */
export interface AcceptedHandle {
  close(): void
  reset(): number
  /** 0, and the client's address written to `out`; else the system's error number. */
  getpeername(out: { address?: string }): number
}
