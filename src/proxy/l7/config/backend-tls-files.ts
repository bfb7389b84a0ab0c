import { readFile } from 'node:fs/promises'
import type { Clock, Timer } from '../../../base/clock.ts'
import { looksOf } from '../tls/file-looks.ts'
import { TlsConnector } from '../tls/tls-connector.ts'
import type { UpstreamTlsOptions } from '../tls/tls-options.ts'
import { present } from './present.ts'
import type { BackendTlsConfig } from './proxy-config.ts'

/** How often files are looked at, as those of listeners are. */
const WATCH_MS = 5_000

/** What the files of a backend hold. Rejects when one cannot be read or is of no use. */
export async function readBackendTls(config: BackendTlsConfig): Promise<UpstreamTlsOptions> {
  const read = async (file: string | undefined): Promise<string | undefined> =>
    file === undefined ? undefined : readFile(file, 'utf8')
  const [ca, certificate, key] = await Promise.all([
    read(config.caFile),
    read(config.certificateFile),
    read(config.keyFile),
  ])
  const { serverName, verifies } = config
  const options = present({ ca, certificate, key, serverName, verifies })
  // Tried here, where it may still fail.
  new TlsConnector(options)
  return options
}

/**
 * Follows the files of a backend: new ones count for new connections, and what cannot be used leaves the old in place
 * and is told. They are read at once, since they may have changed after `readBackendTls`. Returns what ends it.
 */
export function watchBackendTls(
  config: BackendTlsConfig,
  connector: TlsConnector,
  clock: Clock,
  onFailure: (error: Error) => void,
): () => void {
  const files = [config.caFile, config.certificateFile, config.keyFile].filter((file) => file !== undefined)
  if (files.length === 0) return () => {}
  let isStopped = false
  let timer: Timer | undefined
  let seen: string | undefined
  const look = async (): Promise<void> => {
    // Before reading: a change in between shows the next time.
    const looks = await looksOf(files)
    if (looks === seen || isStopped) return
    seen = looks
    const options = await readBackendTls(config)
    if (!isStopped) connector.change(options)
  }
  const again = (): void => {
    look()
      .catch(onFailure)
      .finally(() => {
        if (!isStopped) timer = clock.setTimer(WATCH_MS, again)
      })
  }
  again()
  return () => {
    isStopped = true
    timer?.cancel()
  }
}
