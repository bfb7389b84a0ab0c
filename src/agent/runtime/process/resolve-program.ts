import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { RuntimeError } from '../runtime.ts'

/** No such program. `exitCode` is what a shell would say: 127 for nothing there, 126 for something that is no program. */
export class ProgramError extends RuntimeError {
  readonly exitCode: 126 | 127

  constructor(exitCode: ProgramError['exitCode'], message: string) {
    super('StartError', message)
    this.name = 'ProgramError'
    this.exitCode = exitCode
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/**
 * The file a command names: by path (an absolute one beneath the container's root first, then on the host; a relative
 * one from the working directory) or along PATH. Throws a ProgramError worded as container runtimes word it.
 */
export function resolveProgram(
  program: string,
  where: { readonly root: string; readonly workingDirectory: string; readonly path: string },
): string {
  if (program.includes('/')) {
    const candidates = isAbsolute(program)
      ? [join(where.root, program), program]
      : [resolve(where.workingDirectory, program)]
    const found = candidates.find(isProgram)
    if (found !== undefined) return found
    throw new ProgramError(
      candidates.some((path) => existsSync(path)) ? 126 : 127,
      `exec: "${program}": no such file or directory, or not executable`,
    )
  }
  for (const directory of where.path.split(':')) {
    const candidate = join(directory === '' ? where.workingDirectory : directory, program)
    if (isProgram(candidate)) return candidate
  }
  throw new ProgramError(127, `exec: "${program}": executable file not found in $PATH`)
}
