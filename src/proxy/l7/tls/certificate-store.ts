import { readFile } from 'node:fs/promises'
import type { Clock, Timer } from '../../../base/clock.ts'
import { looksOf } from './file-looks.ts'
import { createServerCertificate, type ServerCertificate } from './server-certificate.ts'
import { ServerNameTable } from './server-name-table.ts'
import type { CertificateFiles, TlsOptions } from './tls-options.ts'

const WATCH_MS = 5_000

interface Watched {
  readonly files: CertificateFiles
  certificate: ServerCertificate
  /** What the files looked like when they were last tried. */
  seen: string
}

/**
 * A listener's certificates. Files are looked at every few seconds. New files count for new handshakes; whatever cannot be used leaves the
 * old in place.
 */
export class CertificateStore {
  readonly #options: TlsOptions
  readonly #clock: Clock
  readonly #watched: readonly Watched[]
  readonly #onChanged: () => void
  #table: ServerNameTable<ServerCertificate>
  #timer: Timer | undefined
  #busy: Promise<void> = Promise.resolve()
  #isStopped = false

  private constructor(options: TlsOptions, clock: Clock, watched: readonly Watched[], onChanged: () => void) {
    this.#options = options
    this.#clock = clock
    this.#watched = watched
    this.#onChanged = onChanged
    this.#table = tableOf(watched)
    this.#watch()
  }

  /** Rejects when a file is missing or of no use. `onChanged` is called after each change. */
  static async open(options: TlsOptions, clock: Clock, onChanged: () => void): Promise<CertificateStore> {
    if (options.certificates.length === 0) throw new Error('TLS needs a certificate')
    const watched = await Promise.all(
      options.certificates.map(async (files): Promise<Watched> => {
        const seen = await looksOf([files.certificateFile, files.keyFile])
        return { files, seen, certificate: await read(files, options) }
      }),
    )
    return new CertificateStore(options, clock, watched, onChanged)
  }

  /** For clients that name no server, and for names that no certificate is for. */
  get default(): ServerCertificate {
    return this.#watched[0]!.certificate
  }

  find(serverName: string): ServerCertificate {
    return this.#table.find(serverName) ?? this.default
  }

  /** For people. */
  status(): unknown {
    return this.#watched.map(({ files, certificate }) => ({
      certificateFile: files.certificateFile,
      serverNames: certificate.serverNames,
      notAfter: new Date(certificate.notAfterMs).toISOString(),
    }))
  }

  /** Reads all files again. Rejects with the first thing wrong; those without fault count all the same. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const failures = await this.#readAgain(() => true)
      if (failures.length > 0) throw failures[0]
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #watch(): void {
    if (this.#isStopped) return
    this.#timer = this.#clock.setTimer(this.#options.watchMs ?? WATCH_MS, () => {
      void this.#inTurn(async () => {
        const failures = await this.#readAgain((watched, looks) => looks !== watched.seen)
        for (const failure of failures) this.#options.onReloadFailed?.(failure)
      }).finally(() => this.#watch())
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#busy.then(work)
    this.#busy = done.catch(() => {})
    return done
  }

  async #readAgain(isWanted: (watched: Watched, looks: string) => boolean): Promise<readonly Error[]> {
    const failures: Error[] = []
    let isChanged = false
    for (const watched of this.#watched) {
      // Before reading: a change in between shows the next time.
      const looks = await looksOf([watched.files.certificateFile, watched.files.keyFile])
      if (!isWanted(watched, looks)) continue
      watched.seen = looks
      try {
        watched.certificate = await read(watched.files, this.#options)
        isChanged = true
      } catch (error) {
        const { certificateFile, keyFile } = watched.files
        failures.push(new Error(`${certificateFile} with ${keyFile}: ${(error as Error).message}`, { cause: error }))
      }
    }
    if (isChanged && !this.#isStopped) {
      this.#table = tableOf(this.#watched)
      this.#onChanged()
    }
    return failures
  }
}

function tableOf(watched: readonly Watched[]): ServerNameTable<ServerCertificate> {
  return new ServerNameTable(
    watched.map(({ certificate }) => ({ serverNames: certificate.serverNames, value: certificate })),
  )
}

async function read(files: CertificateFiles, options: TlsOptions): Promise<ServerCertificate> {
  const [certificate, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
  return createServerCertificate(certificate, key, options.minVersion ?? 'TLSv1.2', files.serverNames)
}
