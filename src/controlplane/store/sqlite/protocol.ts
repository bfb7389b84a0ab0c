import { CompactedError, type ListOptions, type Revision, StoreError, type StoreErrorCode } from '../store.ts'

/** Byte strings in one buffer that is handed over instead of copied; `undefined` has the length `NONE`. */
export interface PackedBytes {
  readonly bytes: ArrayBuffer
  readonly lengths: Uint32Array
}

const NONE = 0xffff_ffff

export function pack(values: readonly (Uint8Array | undefined)[]): PackedBytes {
  const lengths = new Uint32Array(values.length)
  let total = 0
  for (const [i, value] of values.entries()) {
    lengths[i] = value?.byteLength ?? NONE
    total += value?.byteLength ?? 0
  }
  const bytes = new ArrayBuffer(total)
  const whole = new Uint8Array(bytes)
  let offset = 0
  for (const value of values) {
    if (value === undefined) continue
    whole.set(value, offset)
    offset += value.byteLength
  }
  return { bytes, lengths }
}

export function unpack({ bytes, lengths }: PackedBytes): readonly (Uint8Array | undefined)[] {
  let offset = 0
  return Array.from(lengths, (length) => {
    if (length === NONE) return undefined
    offset += length
    return new Uint8Array(bytes, offset - length, length)
  })
}

export interface PackedTransaction {
  readonly expect: readonly (readonly [key: string, modRevision: Revision])[]
  /** Keys; their values stand in the request's `values`, in order. */
  readonly puts: readonly string[]
  readonly deletes: readonly string[]
}

/** What the store asks of its thread; answered in the order of asking, but for `compact`. */
export type EngineRequest =
  | { readonly op: 'open'; readonly path: string }
  | { readonly op: 'commit'; readonly transactions: readonly PackedTransaction[]; readonly values: PackedBytes }
  | { readonly op: 'get'; readonly key: string }
  | { readonly op: 'list'; readonly prefix: string; readonly options: ListOptions }
  | { readonly op: 'history'; readonly prefix: string; readonly from: Revision }
  | { readonly op: 'digest'; readonly prefix: string }
  | { readonly op: 'compact'; readonly revision: Revision }
  | { readonly op: 'close' }

export interface Asked {
  readonly id: number
  readonly request: EngineRequest
}

export type Answered =
  | { readonly id: number; readonly result: unknown; readonly error: undefined }
  | { readonly id: number; readonly result: undefined; readonly error: ErrorMessage }

/** An error as it crosses threads. */
export interface ErrorMessage {
  readonly code: StoreErrorCode
  readonly message: string
  readonly compactRevision: Revision | undefined
}

export function toMessage(error: StoreError): ErrorMessage {
  return {
    code: error.code,
    message: error.message,
    compactRevision: error instanceof CompactedError ? error.compactRevision : undefined,
  }
}

export function fromMessage({ code, message, compactRevision }: ErrorMessage): StoreError {
  return compactRevision === undefined ? new StoreError(code, message) : new CompactedError(compactRevision)
}

export interface OpenAnswer {
  readonly revision: Revision
}

export type CommitAnswer = readonly (
  | {
      readonly ok: boolean
      readonly revision: Revision
      readonly created: readonly Revision[]
      readonly deleted: readonly boolean[]
    }
  | { readonly refused: ErrorMessage }
)[]

export interface PackedKeyValues {
  readonly keys: readonly string[]
  readonly created: BigInt64Array
  readonly modified: BigInt64Array
  readonly values: PackedBytes
}

export interface ListAnswer {
  readonly items: PackedKeyValues
  readonly revision: Revision
  readonly more: boolean
  readonly remaining: number
}

export interface HistoryAnswer {
  readonly entries: PackedKeyValues
  readonly upTo: Revision
  readonly complete: boolean
}

export function packKeyValues(
  items: readonly {
    readonly key: string
    readonly created: Revision
    readonly modified: Revision
    readonly value: Uint8Array | undefined
  }[],
): PackedKeyValues {
  return {
    keys: items.map(({ key }) => key),
    created: BigInt64Array.from(items, ({ created }) => created),
    modified: BigInt64Array.from(items, ({ modified }) => modified),
    values: pack(items.map(({ value }) => value)),
  }
}
