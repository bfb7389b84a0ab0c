/**
 * The thread that the SQLite store's disk work runs on, so that neither an fsync of a slow disk nor a long list stops
 * the API server's event loop. Started by `sqlite-store.ts`.
 */
import { parentPort } from 'node:worker_threads'
import { StoreError } from '../store.ts'
import { type Engine, openEngine } from './engine.ts'
import {
  type Answered,
  type Asked,
  type CommitAnswer,
  type EngineRequest,
  type HistoryAnswer,
  type ListAnswer,
  type OpenAnswer,
  packKeyValues,
  toMessage,
  unpack,
} from './protocol.ts'
import { storeErrorOf } from './store-error-of.ts'

let path = ''
let engine: Engine | undefined

function open(request: Extract<EngineRequest, { readonly op: 'open' }>): OpenAnswer {
  path = request.path
  const opened = openEngine(path, () => performance.now())
  engine = opened
  setImmediate(() => opened.prepareReserve())
  return { revision: opened.revision }
}

function commit(
  opened: Engine,
  { transactions, values }: Extract<EngineRequest, { readonly op: 'commit' }>,
): CommitAnswer {
  const bytes = unpack(values)
  let next = 0
  const outcomes = opened.commit(
    transactions.map(({ expect, puts, deletes }) => ({
      expect,
      puts: puts.map((key) => [key, bytes[next++]!] as const),
      deletes,
    })),
  )
  return outcomes.map((outcome) => (outcome instanceof StoreError ? { refused: toMessage(outcome) } : outcome))
}

function list(opened: Engine, { prefix, options }: Extract<EngineRequest, { readonly op: 'list' }>): ListAnswer {
  const { items, ...rest } = opened.list(prefix, options)
  return {
    ...rest,
    items: packKeyValues(
      items.map(({ key, value, createRevision, modRevision }) => ({
        key,
        value,
        created: createRevision,
        modified: modRevision,
      })),
    ),
  }
}

function history(opened: Engine, { prefix, from }: Extract<EngineRequest, { readonly op: 'history' }>): HistoryAnswer {
  const { entries, upTo, complete } = opened.history(prefix, from)
  return {
    upTo,
    complete,
    entries: packKeyValues(
      entries.map(({ key, value, created, modRevision }) => ({ key, value, created, modified: modRevision })),
    ),
  }
}

/** The answer, and the buffers that go over with it. */
async function perform(request: EngineRequest): Promise<readonly [unknown, readonly ArrayBuffer[]]> {
  if (request.op === 'open') return [open(request), []]
  if (engine === undefined) throw new StoreError('closed', 'the store is closed')
  switch (request.op) {
    case 'commit':
      return [commit(engine, request), []]
    case 'get':
      return [engine.get(request.key), []]
    case 'list': {
      const answer = list(engine, request)
      return [answer, [answer.items.values.bytes]]
    }
    case 'history': {
      const answer = history(engine, request)
      return [answer, [answer.entries.values.bytes]]
    }
    case 'digest':
      return [engine.digest(request.prefix), []]
    case 'compact':
      await engine.compact(request.revision)
      return [undefined, []]
    case 'close':
      engine.close()
      engine = undefined
      return [undefined, []]
  }
}

async function answer({ id, request }: Asked): Promise<void> {
  try {
    const [result, transfer] = await perform(request)
    parentPort!.postMessage({ id, result, error: undefined } satisfies Answered, transfer)
  } catch (error) {
    parentPort!.postMessage({ id, result: undefined, error: toMessage(storeErrorOf(error, path)) } satisfies Answered)
  }
}

parentPort!.on('message', (asked: Asked) => void answer(asked))
