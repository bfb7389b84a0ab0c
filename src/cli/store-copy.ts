import { existsSync, rmSync } from 'node:fs'
import { silentLogger } from '../base/logger.ts'
import { isAlive } from '../base/process-identity.ts'
import { jumpAhead } from '../controlplane/store/backup.ts'
import { copyStore, countKeys, emptyStore } from '../controlplane/store/copy-store.ts'
import { type Revision, type Store, StoreError } from '../controlplane/store/store.ts'
import { type ClusterSelection, dataDirectory } from './data-directory.ts'
import { knownEtcdFile, openStore, storeFile } from './open-store.ts'
import { explainedStoreError } from './store-error-text.ts'
import { parseStore, type StoreFlags, type StoreSpec, storeText } from './store-spec.ts'
import { storeRecord } from './up/choose-store.ts'
import { readClusterRecord, writeClusterRecord } from './up/cluster-record.ts'
import { readRunState } from './up/run-state.ts'
import { UserError } from './user-error.ts'

export interface StoreCopyOptions extends ClusterSelection, StoreFlags {
  readonly from: string
  readonly to: string
  readonly force?: boolean
}

/** Between two lines of progress. */
const PROGRESS_MS = 500

/** The flags are about the etcd of the two; for SQLite they say nothing. */
function specOf(text: string, flags: StoreFlags): StoreSpec {
  const spec = parseStore(text, text.startsWith('etcd=') ? flags : {})
  if (spec.kind === 'memory') throw new UserError('what is in memory ends with its cluster and cannot be copied')
  return spec
}

function flagsOf({ storePrefix, etcdCa, etcdCert, etcdKey }: StoreFlags): StoreFlags {
  return { storePrefix, etcdCa, etcdCert, etcdKey }
}

/** `wherry store copy --from … --to …`: moves a stopped cluster's objects from one kind of store to another. */
export async function storeCopy(options: StoreCopyOptions): Promise<void> {
  const dataDir = dataDirectory(options)
  const flags = flagsOf(options)
  const [from, to] = [specOf(options.from, flags), specOf(options.to, flags)]
  if (storeText(from) === storeText(to)) throw new UserError('--from and --to are the same store')
  const state = readRunState(dataDir)
  if (state !== undefined && isAlive(state.supervisor))
    throw new UserError('the cluster is running', 'stop it with Ctrl-C first, then copy')
  if (from.kind === 'sqlite' && !existsSync(storeFile(dataDir)))
    throw new UserError(`there is no store at ${storeFile(dataDir)}`, 'give the cluster with --name or --data-dir')
  try {
    const count = await copy(from, to, dataDir, options.force === true)
    // The next start is to find its objects where they are now.
    const record = readClusterRecord(dataDir)
    if (record !== undefined) {
      const { store: _, storeFlags: __, ...rest } = record
      writeClusterRecord(dataDir, { ...rest, ...storeRecord(to, flags) })
    }
    if (to.kind === 'etcd') rmSync(knownEtcdFile(dataDir), { force: true })
    const text = `Copied ${count} keys to ${storeText(to)} and compared them; ${storeText(from)} is as it was.\n`
    process.stdout.write(`${text}Start the cluster with: wherry up --store ${storeText(to)}\n`)
  } catch (error) {
    throw error instanceof StoreError ? explainedStoreError(error) : error
  }
}

async function copy(from: StoreSpec, to: StoreSpec, dataDir: string, force: boolean): Promise<number> {
  const options = {
    dataDir,
    logger: silentLogger,
    onFailure: () => undefined,
    checksKnown: false,
  }
  const source = await openStore(from, options)
  try {
    const { count, revision } = await countKeys(source)
    if (count === 0) throw new UserError(`${storeText(from)} holds no objects`, 'is it the right one?')
    await prepareTarget(to, options, revision, force)
    const target = await openStore(to, options)
    try {
      return (await copyStore(source, target, progress())).count
    } catch (error) {
      if (error instanceof StoreError || !(error instanceof Error)) throw error
      throw new UserError(error.message, 'then copy again with --force', { cause: error })
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/**
 * Empties the target if that was asked for, and lets an embedded store go on behind every revision anybody knows. etcd
 * cannot be told to: there, what is not compacted is still to come, and both make a client list anew.
 */
async function prepareTarget(
  spec: StoreSpec,
  options: Parameters<typeof openStore>[1],
  sourceRevision: Revision,
  force: boolean,
): Promise<void> {
  const target: Store = await openStore(spec, options)
  let revision: Revision
  try {
    const found = await countKeys(target)
    if (found.count > 0 && !force)
      throw new UserError(
        `${storeText(spec)} holds ${found.count} keys already`,
        'give --force to delete them and copy over them',
      )
    await emptyStore(target)
    revision = await target.currentRevision()
  } finally {
    await target.close()
  }
  if (spec.kind !== 'sqlite') return
  jumpAhead(storeFile(options.dataDir), revision > sourceRevision ? revision : sourceRevision)
}

function progress(): (progress: { readonly done: number; readonly total: number }) => void {
  let last = performance.now()
  return ({ done, total }) => {
    const now = performance.now()
    if (done < total && now - last < PROGRESS_MS) return
    last = now
    process.stdout.write(`  ${done} of ${total} keys\n`)
  }
}
