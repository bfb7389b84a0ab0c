import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Store, StoreError } from '../controlplane/store/store.ts'
import { DEFAULT_PREFIX, type EtcdSpec, type StoreSpec } from './store-spec.ts'
import { UserError } from './user-error.ts'

/** The embedded store's file in a data directory. */
export function storeFile(dataDir: string): string {
  return join(dataDir, 'store', 'wherry.db')
}

/** Where a data directory remembers which etcd it belongs to and how far that had come. */
export function knownEtcdFile(dataDir: string): string {
  return join(dataDir, 'store', 'etcd.json')
}

export interface OpenStoreOptions {
  readonly dataDir: string
  readonly logger: Logger
  readonly onFailure: (error: StoreError) => void
  /** False for a tool that only looks or copies: any etcd will do. */
  readonly checksKnown?: boolean
}

/** Opens what `--store` says. Each kind is loaded only when it is used. Rejects with StoreError or UserError. */
export async function openStore(spec: StoreSpec, options: OpenStoreOptions): Promise<Store> {
  const { dataDir, logger, onFailure } = options
  switch (spec.kind) {
    case 'memory': {
      const { createMemoryStore } = await import('../controlplane/store/memory-store.ts')
      return createMemoryStore()
    }
    case 'sqlite': {
      const { openSqliteStore } = await import('../controlplane/store/sqlite-store.ts')
      return openSqliteStore({ path: storeFile(dataDir), onFailure })
    }
    case 'etcd': {
      const tls = tlsOf(spec)
      const { openEtcdStore } = await import('../controlplane/store/etcd-store.ts')
      return openEtcdStore({
        endpoints: spec.endpoints,
        ...(spec.user === undefined ? {} : { user: spec.user }),
        ...(tls === undefined ? {} : { tls }),
        place: { here: DEFAULT_PREFIX, there: spec.prefix },
        ...(options.checksKnown === false ? {} : { knownPath: knownEtcdFile(dataDir) }),
        clock: systemClock,
        logger,
        onFailure,
      })
    }
  }
}

function tlsOf({ ca, cert, key }: EtcdSpec) {
  if (ca === undefined && cert === undefined) return undefined
  const read = (flag: string, path: string | undefined): { [name: string]: Buffer } => {
    if (path === undefined) return {}
    try {
      return { [flag]: readFileSync(path) }
    } catch (cause) {
      throw new UserError(`--etcd-${flag} ${path} cannot be read: ${(cause as Error).message}`, undefined, { cause })
    }
  }
  return { ...read('ca', ca), ...read('cert', cert), ...read('key', key) }
}
