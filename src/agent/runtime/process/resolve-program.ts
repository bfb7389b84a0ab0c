import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { RuntimeError } from '../runtime.ts'

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
 * one from the working directory) or along PATH. Throws a RuntimeError worded as container runtimes word it.
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
    throw new RuntimeError('StartError', `exec: "${program}": no such file or directory, or not executable`)
  }
  for (const directory of where.path.split(':')) {
    const candidate = join(directory === '' ? where.workingDirectory : directory, program)
    if (isProgram(candidate)) return candidate
  }
  throw new RuntimeError('StartError', `exec: "${program}": executable file not found in $PATH`)
}
