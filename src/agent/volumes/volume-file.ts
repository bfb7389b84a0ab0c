/** One file of a volume. */
export interface VolumeFile {
  readonly bytes: Uint8Array
  /** Permission bits. */
  readonly mode: number
  /** The user it belongs to, where the agent may give files away; else and when left out it is the agent's own. */
  readonly uid?: number
  /** The group it belongs to, likewise. */
  readonly gid?: number
}

/** What a volume holds: path from its root → file. */
export type VolumeFiles = ReadonlyMap<string, VolumeFile>
