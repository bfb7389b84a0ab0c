import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isAlive } from '../base/process-identity.ts'
import { backupStore, restoreStore } from '../controlplane/store/backup.ts'
import { StoreError } from '../controlplane/store/store.ts'
import { type ClusterSelection, dataDirectory } from './data-directory.ts'
import { storeFile } from './open-store.ts'
import { readClusterRecord } from './up/cluster-record.ts'
import { readRunState } from './up/run-state.ts'
import { UserError } from './user-error.ts'

function asUserError(error: unknown): never {
  throw error instanceof StoreError ? new UserError(error.message, undefined, { cause: error }) : error
}

/** A cluster that has moved to an etcd may have left its old file behind: that is not what it holds now. */
function checkEmbedded(dataDir: string, doInstead: (endpoints: string) => string): void {
  const store = readClusterRecord(dataDir)?.store
  if (store?.startsWith('etcd=') !== true) return
  throw new UserError(`this cluster keeps its objects in ${store}`, doInstead(store.slice('etcd='.length)))
}

/** `wherry backup FILE`. */
export async function backup(file: string, selection: ClusterSelection): Promise<void> {
  const dataDir = dataDirectory(selection)
  checkEmbedded(dataDir, (endpoints) => `save it with: etcdctl --endpoints ${endpoints} snapshot save ${file}`)
  const path = storeFile(dataDir)
  if (!existsSync(path))
    throw new UserError(`there is no store at ${path}`, 'give the cluster with --name or --data-dir')
  await backupStore(path, resolve(file)).catch(asUserError)
  process.stdout.write(`${resolve(file)}\n`)
}

/** `wherry restore FILE`. */
export async function restore(file: string, options: ClusterSelection & { readonly force?: boolean }): Promise<void> {
  const dataDir = dataDirectory(options)
  checkEmbedded(dataDir, () => 'restore a snapshot with etcdctl, or move the cluster first with: wherry store copy')
  const state = readRunState(dataDir)
  if (state !== undefined && isAlive(state.supervisor)) {
    throw new UserError('the cluster is running', 'stop it with Ctrl-C first, then restore')
  }
  await restoreStore(resolve(file), storeFile(dataDir), { force: options.force === true }).catch(asUserError)
  process.stdout.write(`Restored ${resolve(file)}; start the cluster with: wherry up\n`)
}
