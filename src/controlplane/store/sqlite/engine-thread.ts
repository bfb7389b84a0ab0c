import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { StoreError } from '../store.ts'
import { type Answered, type Asked, type EngineRequest, fromMessage } from './protocol.ts'

/** The store's disk work on a thread of its own. */
export interface EngineThread {
  /** Rejects with the StoreError the engine threw, or `failed` when the thread itself is gone. */
  ask(request: EngineRequest, transfer?: readonly ArrayBuffer[]): Promise<unknown>
  end(): Promise<void>
}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: StoreError) => void
}

/** Starts the thread. It keeps the process alive only while something is asked of it. */
export function startEngineThread(): EngineThread {
  const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./main.${suffix}`, import.meta.url), {
    name: 'wherry-store',
    // The flags of the process (a test runner's, an inspector's) are none of its business.
    execArgv: [],
    env: environment(),
    // Few objects live long here; a small nursery saves megabytes of an idle cluster.
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  })
  worker.unref()
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let gone: StoreError | undefined
  const fail = (why: string, cause?: unknown): void => {
    gone ??= new StoreError('failed', `the store's thread ended: ${why}`, { cause })
    for (const { reject } of waiting.values()) reject(gone)
    waiting.clear()
  }
  worker.on('message', (answered: Answered) => {
    const asked = waiting.get(answered.id)
    waiting.delete(answered.id)
    if (waiting.size === 0) worker.unref()
    if (answered.error === undefined) asked?.resolve(answered.result)
    else asked?.reject(fromMessage(answered.error))
  })
  worker.on('error', (error) => fail(error instanceof Error ? error.message : String(error), error))
  worker.on('exit', (code) => fail(`exit code ${code}`))
  return {
    ask(request, transfer = []) {
      return new Promise((resolve, reject) => {
        if (gone !== undefined) return reject(gone)
        const id = ++lastId
        if (waiting.size === 0) worker.ref()
        waiting.set(id, { resolve, reject })
        worker.postMessage({ id, request } satisfies Asked, [...transfer])
      })
    },
    async end() {
      gone ??= new StoreError('closed', 'the store is closed')
      await worker.terminate()
    },
  }
}

/** A thread takes no part in the process's compile cache unless told by its environment: then it starts in half the time. */
function environment(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir()
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) }
}
