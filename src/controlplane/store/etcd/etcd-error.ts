import { StoreError } from '../store.ts'

/**
 * What etcd's client threw, by what it means to us. `again`: nothing happened and another try, perhaps at another
 * member, may work. `unclear`: the request may have reached the server. `refused`: another try
 * would be refused again.
 */
export interface EtcdFailure {
  readonly kind: 'again' | 'unclear' | 'compacted' | 'future' | 'full' | 'tooLarge' | 'refused'
  readonly reason: string
}

/** The client's errors carry gRPC's code and etcd's sentence as text only: `11 OUT_OF_RANGE: etcdserver: mvcc: …`. */
const RULES: readonly (readonly [RegExp, EtcdFailure['kind']])[] = [
  [/required revision has been compacted/, 'compacted'],
  [/required revision is a future revision/, 'future'],
  [/database space exceeded/, 'full'],
  [/request is too large|too many operations in txn|larger than max/, 'tooLarge'],
  // Refused before it was proposed to the members, or never sent.
  [/too many requests|invalid auth token|revision of auth store is old|no connection established/i, 'again'],
  [/channel closed before call started|name resolution failed|channel has been shut down/i, 'again'],
  [/etcdserver: no leader|not capable|rpc not supported for learner/, 'again'],
  [/permission denied|authentication failed|user name is empty|authentication is not enabled/, 'refused'],
  [/unable to (verify|get)|self[- ]signed|certificate|wrong version number/i, 'again'],
  [/\b(3 INVALID_ARGUMENT|7 PERMISSION_DENIED|12 UNIMPLEMENTED|16 UNAUTHENTICATED)\b/, 'refused'],
]

/** Reads an error of etcd's client; what is not known counts as unclear, never as harmless. */
export function etcdFailure(error: unknown): EtcdFailure {
  const message = error instanceof Error ? error.message : String(error)
  const kind = RULES.find(([pattern]) => pattern.test(message))?.[1] ?? 'unclear'
  return { kind, reason: shortReason(message) }
}

/** One line for a person: without gRPC's numbers and the client's internals. */
function shortReason(message: string): string {
  const connection = /connect (E[A-Z]+)/.exec(message)?.[1]
  if (connection === 'ECONNREFUSED') return 'nothing listens there'
  if (connection !== undefined) return connection
  if (/deadline exceeded/i.test(message)) return 'no answer in time'
  return message
    .replace(/^Error: /, '')
    .replace(/^\d+ [A-Z_]+: /, '')
    .replace(/^[A-Za-z0-9]+Error: /, '')
    .replace(/\s*Resolution note:\s*$/, '')
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replaceAll('\n', ' ')
    .slice(0, 200)
}

/** What a failed read comes down to. */
export function readError({ reason }: EtcdFailure, tried: string): StoreError {
  return new StoreError('unavailable', `etcd at ${tried} cannot be read: ${reason}`)
}

/** What a failed transaction comes down to: nothing has happened, or nobody knows. */
export function writeError(failure: EtcdFailure, tried: string): StoreError {
  switch (failure.kind) {
    case 'full':
      // The write that crosses the quota is answered with this error although it is done.
      return new StoreError(
        'full',
        `etcd at ${tried} is out of space (${failure.reason}); compact and defragment it, then: etcdctl alarm disarm`,
        { mayHaveHappened: true },
      )
    case 'tooLarge':
      return new StoreError('too-large', `etcd at ${tried} takes no transaction of this size: ${failure.reason}`)
    case 'again':
    case 'refused':
      return new StoreError('unavailable', `etcd at ${tried} cannot be written: ${failure.reason}`)
    default:
      return new StoreError(
        'unknown',
        `etcd at ${tried} gave no answer to a write (${failure.reason}); it may have happened or not`,
      )
  }
}
