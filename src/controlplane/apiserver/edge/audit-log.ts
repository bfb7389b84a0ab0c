import { appendFile, mkdir, readdir, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock, Timer } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { User } from '../user.ts'

/** One finished request, as far as the audit log at level Metadata tells of it: never a body. */
export interface RequestRecord {
  readonly user: User
  /** As whom it was carried out, when that was somebody else. */
  readonly impersonated?: User
  readonly verb: string
  readonly method: string
  readonly path: string
  readonly sourceIp?: string
  readonly userAgent?: string
  readonly object?: {
    readonly group: string
    readonly version: string
    readonly resource: string
    readonly subresource: string
    readonly namespace: string
    readonly name: string
  }
  readonly status: number
  readonly receivedAtMs: number
  readonly durationMs: number
}

export interface AuditLog {
  record(request: RequestRecord): void
  /** How many lines there were. */
  readonly recorded: number
  /** How many of them could not be written (disk full). */
  readonly dropped: number
  close(): Promise<void>
}

export interface AuditLogOptions {
  readonly path: string
  readonly clock: Clock
  readonly logger: Logger
  readonly bytesMax?: number
  readonly backupsMax?: number
  readonly ageDaysMax?: number
}

const FLUSH_MS = 200
/** Beyond this many waiting lines the disk is not keeping up, and lines are dropped and counted. */
const WAITING_MAX = 50_000

function toLine(record: RequestRecord): string {
  const { object } = record
  return `${JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: crypto.randomUUID(),
    stage: 'ResponseComplete',
    requestURI: record.path,
    verb: record.verb,
    user: { username: record.user.name, groups: record.user.groups },
    ...(record.impersonated === undefined
      ? {}
      : { impersonatedUser: { username: record.impersonated.name, groups: record.impersonated.groups } }),
    ...(record.sourceIp === undefined ? {} : { sourceIPs: [record.sourceIp] }),
    ...(record.userAgent === undefined ? {} : { userAgent: record.userAgent }),
    ...(object === undefined
      ? {}
      : {
          objectRef: {
            resource: object.resource,
            namespace: object.namespace,
            name: object.name,
            apiGroup: object.group,
            apiVersion: object.version,
            subresource: object.subresource,
          },
        }),
    responseStatus: { metadata: {}, code: record.status },
    requestReceivedTimestamp: new Date(record.receivedAtMs).toISOString(),
    stageTimestamp: new Date(record.receivedAtMs + record.durationMs).toISOString(),
  })}\n`
}

/**
 * The audit log: one JSON line a request, appended in batches off the request's path. A full disk costs lines, counted,
 * and never a request. Rotates by size; keeps 10 old files of 100 MB and nothing older than 30 days.
 */
export function openAuditLog(options: AuditLogOptions): AuditLog {
  const { path, clock, logger, bytesMax = 100 * 1024 * 1024, backupsMax = 10, ageDaysMax = 30 } = options
  let waiting: RequestRecord[] = []
  let recorded = 0
  let dropped = 0
  let size: number | undefined
  let timer: Timer | undefined
  let writing = Promise.resolve()

  const rotate = async (): Promise<void> => {
    await rename(path, `${path}-${new Date(clock.now()).toISOString().replaceAll(':', '-')}`)
    size = 0
    const directory = dirname(path)
    const prefix = `${path.slice(directory.length + 1)}-`
    const old = (await readdir(directory)).filter((name) => name.startsWith(prefix)).sort()
    for (const [index, name] of old.entries()) {
      const { mtimeMs } = await stat(join(directory, name))
      const tooOld = clock.now() - mtimeMs > ageDaysMax * 24 * 3_600_000
      if (tooOld || index < old.length - backupsMax) await unlink(join(directory, name))
    }
  }

  const flush = async (): Promise<void> => {
    const lines = waiting
    waiting = []
    try {
      if (size === undefined) {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 })
        size = await stat(path).then(
          (s) => s.size,
          () => 0,
        )
      }
      const text = Buffer.from(lines.map(toLine).join(''))
      if (size > 0 && size + text.length > bytesMax) await rotate()
      await appendFile(path, text, { mode: 0o600 })
      size += text.length
    } catch (error) {
      dropped += lines.length
      logger.error({ err: error, dropped }, 'the audit log could not be written')
    }
  }

  return {
    get recorded() {
      return recorded
    },
    get dropped() {
      return dropped
    },
    record(request) {
      recorded += 1
      if (waiting.length >= WAITING_MAX) {
        dropped += 1
        return
      }
      waiting.push(request)
      timer ??= clock.setTimer(FLUSH_MS, () => {
        timer = undefined
        writing = writing.then(flush)
      })
    },
    async close() {
      timer?.cancel()
      await writing
      if (waiting.length > 0) await flush()
    },
  }
}
