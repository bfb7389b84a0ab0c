import { existsSync } from 'node:fs'
import { storeFile } from '../open-store.ts'
import { parseStore, type StoreFlags, type StoreSpec, storeText } from '../store-spec.ts'
import { UserError } from '../user-error.ts'
import type { ClusterRecord } from './cluster-record.ts'

export interface ChosenStore {
  readonly spec: StoreSpec
  readonly record: Pick<ClusterRecord, 'store' | 'storeFlags'>
}

/** Only what was given: the rest is not to stand in the record as undefined. */
function given({ storePrefix, etcdCa, etcdCert, etcdKey }: StoreFlags): StoreFlags {
  const entries = Object.entries({ storePrefix, etcdCa, etcdCert, etcdKey })
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

/** What the record is to say of a store: enough to find it again, without user and password. */
export function storeRecord(spec: StoreSpec, flags: StoreFlags): ChosenStore['record'] {
  return { store: storeText(spec), ...(spec.kind === 'etcd' ? { storeFlags: given(flags) } : {}) }
}

/**
 * The store a cluster starts with: the one asked for, or the one it has. One that has its objects in SQLite and is asked
 * to start on an etcd, or the other way round, would find nothing there and end all its pods: it is told how to move.
 * Throws UserError.
 */
export function chooseStore(
  asked: StoreFlags & { readonly store?: string },
  recorded: Pick<ClusterRecord, 'store' | 'storeFlags'> | undefined,
  dataDir: string,
): ChosenStore {
  // What was kept in memory is nowhere any more.
  const kept = recorded?.store === 'memory' ? undefined : recorded?.store
  const before = kept ?? (existsSync(storeFile(dataDir)) ? 'sqlite' : undefined)
  const flags = asked.store === undefined ? { ...recorded?.storeFlags, ...given(asked) } : given(asked)
  const spec = parseStore(asked.store ?? before ?? 'sqlite', flags)
  const was = before === undefined ? undefined : parseStore(before, recorded?.storeFlags)
  const kinds = [was?.kind, spec.kind]
  if (was !== undefined && was.kind !== spec.kind && kinds.includes('etcd') && spec.kind !== 'memory') {
    throw new UserError(
      `this cluster keeps its objects in ${before}, and would find none of them in ${storeText(spec)}`,
      `move them with: wherry store copy --from ${before} --to ${storeText(spec)}; or start a new cluster with another --name or --data-dir`,
    )
  }
  return { spec, record: storeRecord(spec, flags) }
}
