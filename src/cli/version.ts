import { readFileSync } from 'node:fs'

/** wherry's own version, from package.json, which stands two folders up both in a clone and in the package. */
export const WHERRY_VERSION: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version
