import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  type CertificateAuthority,
  createAuthority,
  openAuthority,
} from '../../../../../src/controlplane/apiserver/edge/certificate-authority.ts'
import type { CertificateFiles } from '../../../../../src/proxy/l7/tls/tls-options.ts'

/** An authority of the test's own, whose certificates lie in a directory that goes with the test. */
export interface TestCertificates {
  /** Its own certificate, PEM. */
  readonly ca: string
  readonly caFile: string
  readonly authority: CertificateAuthority
  /** Writes files `<file>.crt` and `<file>.key`, in place of such that are there already. */
  issue(file: string, serverNames: readonly string[], commonName?: string): Promise<CertificateFiles>
}

export async function createCertificates(t: TestContext): Promise<TestCertificates> {
  const nowMs = Date.now()
  const directory = await mkdtemp(join(tmpdir(), 'wherry-tls-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const authority = await openAuthority(await createAuthority('test authority', nowMs))
  const caFile = join(directory, 'ca.crt')
  await writeFile(caFile, authority.ca.cert)
  return {
    ca: authority.ca.cert,
    caFile,
    authority,
    async issue(file, serverNames, commonName = serverNames[0] ?? 'none') {
      const issued = await authority.issue(
        { commonName, organizations: [], dnsNames: serverNames, ipAddresses: ['127.0.0.1'], usages: ['server'] },
        nowMs,
      )
      const files = {
        certificateFile: join(directory, `${file}.crt`),
        keyFile: join(directory, `${file}.key`),
      }
      await writeFile(`${files.certificateFile}.new`, issued.cert)
      await writeFile(`${files.keyFile}.new`, issued.key)
      await rename(`${files.keyFile}.new`, files.keyFile)
      await rename(`${files.certificateFile}.new`, files.certificateFile)
      return files
    },
  }
}
