/** Where a proxy tells of its traffic. */
export interface MeshProxy {
  /** Its Lease's name, the same after a restart. */
  readonly name: string
  readonly address: string
  readonly port: number
}

/** Reads `/mesh` of a proxy. */
export type MeshSource = (
  proxy: MeshProxy,
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly body: AsyncIterable<Uint8Array> }>
