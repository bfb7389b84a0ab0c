import { readFile } from 'node:fs/promises'
import { createServerCertificate } from '../tls/server-certificate.ts'
import { readBackendTls } from './backend-tls-files.ts'
import type { ConfigFault } from './config-faults.ts'
import type { BackendConfig, ListenerConfig, ProxyConfig } from './proxy-config.ts'

/** What is wrong with the files that a configuration names: none of it changes anything, but it would not take effect. */
export async function checkFiles({ listeners, backends }: ProxyConfig): Promise<readonly ConfigFault[]> {
  const faults = await Promise.all([...listeners.map(checkListener), ...backends.map(checkBackend)])
  return faults.flat()
}

async function checkListener({ tls }: ListenerConfig, index: number): Promise<readonly ConfigFault[]> {
  if (tls === undefined || tls === 'passthrough') return []
  const { certificates, minVersion = 'TLSv1.2' } = tls
  const faults = await Promise.all(
    certificates.map(async ({ certificateFile, keyFile, serverNames }, i) => {
      const path = `listeners[${index}].tls.certificates[${i}]`
      const [certificate, key] = await Promise.all([
        readable(certificateFile, `${path}.certificate`),
        readable(keyFile, `${path}.key`),
      ])
      const missing = [certificate, key].flatMap((read) => ('reason' in read ? read : []))
      if (missing.length > 0 || 'reason' in certificate || 'reason' in key) return missing
      try {
        createServerCertificate(certificate.bytes, key.bytes, minVersion, serverNames)
        return []
      } catch (error) {
        return [{ path, reason: `is of no use: ${(error as Error).message}` }]
      }
    }),
  )
  return faults.flat()
}

async function checkBackend({ name, tls }: BackendConfig): Promise<readonly ConfigFault[]> {
  if (tls === undefined) return []
  const path = `backends.${name}.tls`
  const files = { ca: tls.caFile, certificate: tls.certificateFile, key: tls.keyFile }
  const read = await Promise.all(
    Object.entries(files).map(async ([field, file]) => (file === undefined ? [] : readable(file, `${path}.${field}`))),
  )
  const missing = read.flat().flatMap((result) => ('reason' in result ? result : []))
  if (missing.length > 0) return missing
  return readBackendTls(tls).then(
    () => [],
    (error: Error) => [{ path, reason: `is of no use: ${error.message}` }],
  )
}

async function readable(file: string, path: string): Promise<ConfigFault | { readonly bytes: Buffer }> {
  try {
    return { bytes: await readFile(file) }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { path, reason: code === 'ENOENT' ? `there is no file ${file}` : message }
  }
}
