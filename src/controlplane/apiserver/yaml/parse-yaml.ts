import { Worker } from 'node:worker_threads'
import { JsonError, parseJson } from '../../../api/json.ts'
import { StatusError } from '../../../api/status-error.ts'
import type { ParsedBody } from '../parsed-body.ts'
import { readYaml, type YamlAsJson } from './read-yaml.ts'
import type { YamlAnswer } from './yaml-thread.ts'

/** What is longer is read on a thread, where it holds up nobody. */
const INLINE_LENGTH_MAX = 2_048
/** An honest text of 3 MiB takes about this long on a slow machine. */
const DEADLINE_MS = 5_000
/** The thread ends when it has had nothing to do for this long. */
const IDLE_MS = 10_000
const MEMORY_MB = 256

function malformed(why: string): StatusError {
  return new StatusError('BadRequest', `error converting YAML to JSON: yaml: ${why.split('\n')[0]}`)
}

/** One text after the other on one thread; a text that takes too long ends the thread and is refused. */
class YamlThread {
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  #last: Promise<unknown> = Promise.resolve()

  read(text: string): Promise<YamlAnswer> {
    const answer = this.#last.then(() => this.#ask(text))
    this.#last = answer
    return answer
  }

  #ask(text: string): Promise<YamlAnswer> {
    clearTimeout(this.#idle)
    const worker = this.#worker ?? this.#start()
    return new Promise((resolve) => {
      const finish = (answer: YamlAnswer): void => {
        clearTimeout(timer)
        worker.off('message', finish).off('error', onError)
        resolve(answer)
        this.#idle = setTimeout(() => this.#stop(), IDLE_MS).unref()
      }
      const onError = (error: unknown): void => {
        this.#worker = undefined
        finish({ error: error instanceof Error ? error.message : String(error) })
      }
      const timer = setTimeout(() => {
        this.#stop()
        finish({ error: `the document takes longer than ${DEADLINE_MS} ms to read` })
      }, DEADLINE_MS)
      worker.once('message', finish)
      worker.once('error', onError)
      worker.postMessage(text)
    })
  }

  #start(): Worker {
    const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./yaml-thread.${suffix}`, import.meta.url), {
      name: 'wherry-yaml',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    })
    worker.unref()
    // Of a thread that was given up: nobody waits for it any more.
    worker.on('error', () => {})
    this.#worker = worker
    return worker
  }

  #stop(): void {
    void this.#worker?.terminate()
    this.#worker = undefined
  }
}

const thread = new YamlThread()

async function read(text: string): Promise<YamlAsJson> {
  if (text.length > INLINE_LENGTH_MAX) {
    const answer = await thread.read(text)
    if ('error' in answer) throw malformed(answer.error)
    return answer
  }
  try {
    return readYaml(text)
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error))
  }
}

/** A YAML body as the JSON value it stands for. Throws BadRequest for what is none, is too deep, or takes too long. */
export async function parseYaml(bytes: Uint8Array): Promise<ParsedBody> {
  const { json, duplicates } = await read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())
  try {
    const { value } = parseJson(json)
    return { body: value ?? undefined, duplicates }
  } catch (error) {
    throw error instanceof JsonError ? malformed(error.message) : error
  }
}
