import { readFileSync } from 'node:fs'
import { UserError } from './user-error.ts'

export interface TokenFlags {
  readonly token?: string
  readonly tokenFile?: string
}

/** The token of `--token`, `--token-file` or WHERRY_TOKEN; undefined when none is given. Throws UserError. */
export function readToken({ token, tokenFile }: TokenFlags, environment: NodeJS.ProcessEnv): string | undefined {
  if (token !== undefined && tokenFile !== undefined)
    throw new UserError('--token and --token-file both say which token', 'give one of them')
  if (tokenFile === undefined) return token ?? environment.WHERRY_TOKEN
  try {
    return readFileSync(tokenFile, 'utf8').trim()
  } catch (cause) {
    throw new UserError(
      `the token file ${tokenFile} cannot be read: ${(cause as Error).message}`,
      'copy it from the data directory of a server',
      { cause },
    )
  }
}
