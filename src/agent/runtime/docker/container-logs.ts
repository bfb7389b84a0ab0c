import type { LogOptions } from '../runtime.ts'
import type { DockerEngine } from './docker-engine.ts'
import { OutputFrames } from './output-frames.ts'

/** The engine's own log of a container as `kubectl logs` wants it, both streams in the order they came. */
export async function* containerLogs(
  engine: DockerEngine,
  container: { readonly id: string; readonly tty: boolean },
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const end = new AbortController()
  const stream = await engine.stream({
    method: 'GET',
    path: `/containers/${container.id}/logs`,
    query: {
      stdout: 1,
      stderr: 1,
      follow: options.follow ? 1 : 0,
      timestamps: options.timestamps ? 1 : 0,
      tail: options.tailLines === undefined ? 'all' : options.tailLines,
      since: options.sinceMs === undefined ? undefined : (options.sinceMs / 1000).toFixed(9),
    },
    signal: AbortSignal.any([signal, end.signal]),
  })
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY
  const frames = new OutputFrames()
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>)
      for (const bytes of container.tty ? [chunk] : frames.push(chunk).map((frame) => frame.bytes)) {
        yield bytes.subarray(0, left)
        left -= bytes.length
        if (left <= 0) return
      }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    end.abort()
  }
}
