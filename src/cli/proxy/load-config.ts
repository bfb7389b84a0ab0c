import { open } from 'node:fs/promises'
import { type ConfigFault, formatFault } from '../../proxy/l7/config/config-faults.ts'
import { decodeProxyConfig } from '../../proxy/l7/config/decode-proxy-config.ts'
import type { ProxyConfig } from '../../proxy/l7/config/proxy-config.ts'
import { UserError } from '../user-error.ts'

/** Far more than thousands of routes need. */
const FILE_BYTES_MAX = 4 * 1024 * 1024
/** Of what is printed. */
const FAULTS_MAX = 50

/**
 * Reads a configuration file: YAML 1.2, of which JSON is a part.
 *
 * @throws UserError with all that is wrong, each mistake with its path.
 */
export async function loadConfig(file: string): Promise<ProxyConfig> {
  const decoded = decodeProxyConfig(await parseYaml(file, await readBounded(file)))
  if (decoded.ok) return decoded.config
  throw mistakes(file, decoded.faults)
}

/**
 * Looks at the files that a configuration names, too.
 *
 * @throws UserError with all that is wrong with them.
 */
export async function checkConfigFiles(file: string, config: ProxyConfig): Promise<void> {
  const { checkFiles } = await import('../../proxy/l7/config/check-files.ts')
  const faults = await checkFiles(config)
  if (faults.length > 0) throw mistakes(file, faults)
}

function mistakes(file: string, faults: readonly ConfigFault[]): UserError {
  return new UserError(`${file} holds ${countOf(faults)}:\n${listOf(faults)}`)
}

function countOf({ length }: readonly ConfigFault[]): string {
  return length === 1 ? 'a mistake' : `${length} mistakes`
}

function listOf(faults: readonly ConfigFault[]): string {
  const lines = faults.slice(0, FAULTS_MAX).map((fault) => `  ${formatFault(fault)}`)
  if (faults.length > FAULTS_MAX) lines.push(`  and ${faults.length - FAULTS_MAX} more`)
  return lines.join('\n')
}

async function readBounded(file: string): Promise<string> {
  const tooLarge = (): UserError => new UserError(`${file} is larger than ${FILE_BYTES_MAX} bytes.`)
  try {
    const handle = await open(file)
    try {
      const buffer = Buffer.allocUnsafe(FILE_BYTES_MAX + 1)
      let used = 0
      for (;;) {
        const { bytesRead } = await handle.read(buffer, used, buffer.length - used)
        if (bytesRead === 0) return buffer.toString('utf8', 0, used)
        used += bytesRead
        if (used > FILE_BYTES_MAX) throw tooLarge()
      }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof UserError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'this user may not read it' : message
    throw new UserError(`${file} cannot be read: ${why}.`, undefined, { cause: error })
  }
}

async function parseYaml(file: string, text: string): Promise<unknown> {
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text, { version: '1.2', schema: 'core', uniqueKeys: true, prettyErrors: true })
  const [error] = document.errors
  if (error !== undefined) throw new UserError(`${file} is no valid YAML: ${error.message.trimEnd()}`)
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new UserError(`${file} is no valid YAML: ${(error as Error).message}`, undefined, { cause: error })
  }
}
