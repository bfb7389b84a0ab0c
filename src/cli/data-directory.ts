import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

export interface ClusterSelection {
  readonly name: string
  readonly dataDir?: string
}

/** The cluster's data directory: the one given, or `wherry/<name>` where the XDG convention keeps user data. */
export function dataDirectory({ name, dataDir }: ClusterSelection): string {
  if (dataDir !== undefined) return resolve(dataDir)
  const base = process.env.XDG_DATA_HOME
  return join(base !== undefined && base !== '' ? base : join(homedir(), '.local', 'share'), 'wherry', name)
}
