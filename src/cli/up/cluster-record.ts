import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RuntimeSpec } from '../runtime-spec.ts'
import type { StoreFlags } from '../store-spec.ts'
import { UserError } from '../user-error.ts'

/** Which command a data directory belongs to. */
export type RecordKind = 'up' | 'server' | 'agent'

/** What a cluster keeps from one start to the next beside its store: `<data directory>/cluster.json`. */
export interface ClusterRecord {
  /** `up` when left out. */
  readonly kind?: RecordKind
  readonly name: string
  /** Second octet of its range of loopback addresses. */
  readonly octet: number
  readonly nodes: number
  /** The numbers of this machine's nodes; 1 to `nodes` when left out. */
  readonly nodeNumbers?: readonly number[]
  /** Of an agent: its name in the cluster, and the API servers it was told of. */
  readonly machine?: string
  readonly apiServers?: readonly string[]
  readonly apiAddress?: string
  readonly apiPort: number | undefined
  /** As `--store` was given, without user and password; missing in what older versions wrote. */
  readonly store?: string
  readonly storeFlags?: StoreFlags
  /** Missing in what older versions wrote: process. */
  readonly runtime?: RuntimeSpec['kind']
  readonly dockerHost?: string
}

export const OCTET_MIN = 64
export const OCTET_MAX = 126

export function readClusterRecord(dataDir: string): ClusterRecord | undefined {
  const file = join(dataDir, 'cluster.json')
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new UserError(`${file} cannot be read as JSON`, 'mend or remove it; a new one is written at the next start', {
      cause,
    })
  }
}

export function writeClusterRecord(dataDir: string, record: ClusterRecord): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const file = join(dataDir, 'cluster.json')
  writeFileSync(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Throws UserError for a data directory of another command's. */
export function checkRecordKind(record: ClusterRecord | undefined, kind: RecordKind, dataDir: string): void {
  const found = record === undefined ? undefined : (record.kind ?? 'up')
  if (found === undefined || found === kind) return
  throw new UserError(
    `${dataDir} is the data directory of \`wherry ${found}\``,
    `start that one, or give \`wherry ${kind}\` a --data-dir of its own`,
  )
}

/** The octets a new cluster tries, in order: one that follows from its name and place, then all others. */
export function octetCandidates(name: string, dataDir: string): readonly number[] {
  const count = OCTET_MAX - OCTET_MIN + 1
  const first = createHash('sha256').update(`${name}\0${dataDir}`).digest().readUInt32BE() % count
  return Array.from({ length: count }, (_, i) => OCTET_MIN + ((first + i) % count))
}
