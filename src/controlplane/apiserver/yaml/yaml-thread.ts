import { parentPort } from 'node:worker_threads'
import { readYaml, type YamlAsJson } from './read-yaml.ts'

/** What the thread answers to a text. */
export type YamlAnswer = YamlAsJson | { readonly error: string }

function answerTo(text: string): YamlAnswer {
  try {
    return readYaml(text)
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

parentPort?.on('message', (text: string) => parentPort!.postMessage(answerTo(text)))
