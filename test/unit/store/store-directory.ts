import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A directory that is gone when the process of the tests ends. */
export function storeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-store-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  return directory
}
