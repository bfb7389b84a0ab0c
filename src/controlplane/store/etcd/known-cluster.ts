import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Revision } from '../store.ts'
import { StoreError } from '../store.ts'

/** What an etcd was when it was last seen: which cluster, and how far it had come. */
export interface KnownCluster {
  readonly clusterId: string
  readonly prefix: string
  readonly revision: Revision
}

/** Reads what is known; undefined when nothing is, or the file cannot be understood. */
export function readKnownCluster(path: string): KnownCluster | undefined {
  try {
    const { clusterId, prefix, revision } = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof clusterId !== 'string' || typeof prefix !== 'string' || !/^\d+$/.test(revision)) return undefined
    return { clusterId, prefix, revision: BigInt(revision) }
  } catch {
    return undefined
  }
}

export function writeKnownCluster(path: string, { clusterId, prefix, revision }: KnownCluster): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const fresh = `${path}.new`
  writeFileSync(fresh, `${JSON.stringify({ clusterId, prefix, revision: String(revision) })}\n`, { mode: 0o600 })
  renameSync(fresh, path)
}

/**
 * Refuses an etcd that is not the one it was: emptied, replaced or put back to an older copy. Whoever took it for the
 * truth would delete every pod that it does not know. Throws StoreError `failed`.
 */
export function checkKnownCluster(known: KnownCluster | undefined, found: KnownCluster, where: string, path: string) {
  if (known === undefined || known.prefix !== found.prefix) return
  const why =
    known.clusterId !== found.clusterId
      ? `is another etcd cluster (${found.clusterId}) than the one this cluster was kept in (${known.clusterId})`
      : known.revision > found.revision
        ? `stands at revision ${found.revision}, but has been at ${known.revision}: it was emptied or put back to an older copy`
        : undefined
  if (why === undefined) return
  throw new StoreError(
    'failed',
    `the etcd at ${where} ${why}; start with the right one, or remove ${path} to take what it holds now for the truth`,
  )
}
