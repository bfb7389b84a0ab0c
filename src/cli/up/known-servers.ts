import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

function file(dataDir: string): string {
  return join(dataDir, 'run', 'api-servers.json')
}

/** The API servers that this machine last heard of, so that it finds one even if those it was told of are gone. */
export function readKnownServers(dataDir: string): readonly string[] {
  try {
    const urls: unknown = existsSync(file(dataDir)) ? JSON.parse(readFileSync(file(dataDir), 'utf8')) : []
    return Array.isArray(urls) ? urls.filter((url) => typeof url === 'string') : []
  } catch {
    // Written by renaming, so only a stranger's hand can have broken it; the next change writes it anew.
    return []
  }
}

export function writeKnownServers(dataDir: string, urls: readonly string[]): void {
  mkdirSync(join(dataDir, 'run'), { recursive: true, mode: 0o700 })
  writeFileSync(`${file(dataDir)}.new`, `${JSON.stringify(urls)}\n`, { mode: 0o600 })
  renameSync(`${file(dataDir)}.new`, file(dataDir))
}
