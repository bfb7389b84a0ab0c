import type { Runtime } from './runtime.ts'

/** The last lines of an attempt's output, for a look at why it ended. */
export async function lastOutput(runtime: Runtime, id: string, lineCount: number): Promise<string> {
  const parts: Uint8Array[] = []
  const options = { follow: false, timestamps: false, tailLines: lineCount, limitBytes: 64 * 1024 }
  for await (const part of runtime.logs(id, options, AbortSignal.timeout(5_000))) parts.push(part)
  return Buffer.concat(parts).toString()
}
