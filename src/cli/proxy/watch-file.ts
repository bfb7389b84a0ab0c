import { watch } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'

/** Editors write a file in several steps, and so does whoever mounts one into a container. */
const QUIET_MS = 200

/**
 * Calls `onChange` when a file has changed and then been quiet for a moment. Its folder is watched, since most programs
 * put a new file in the place of the old one; `..data` is where Kubernetes swaps mounted files. Returns what ends it.
 */
export function watchFile(file: string, onChange: () => void, onError: (error: Error) => void): () => void {
  const name = basename(file)
  let timer: NodeJS.Timeout | undefined
  const watcher = watch(dirname(resolve(file)), (_event, changed) => {
    if (changed !== null && changed !== name && changed !== '..data') return
    clearTimeout(timer)
    timer = setTimeout(onChange, QUIET_MS)
  })
  watcher.on('error', onError)
  return () => {
    clearTimeout(timer)
    watcher.close()
  }
}
