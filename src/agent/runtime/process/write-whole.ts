import { renameSync, writeFileSync } from 'node:fs'

/** Writes a file so that a reader, also after a crash, sees all of it or nothing. For its owner only. */
export function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
