import type { KubeObject } from '../api/object.ts'
import { EVENTS } from '../api/resource-type.ts'
import { isReason, StatusError } from '../api/status-error.ts'
import type { Event } from '../api/types/core-v1.gen.ts'
import { type Clock, sleep } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from './client.ts'
import { EventCorrelator, type ToldEvent } from './event-correlator.ts'

export type EventType = 'Normal' | 'Warning'

/** Tells people what happened to an object. Never throws and never waits. */
export interface EventRecorder {
  /** `object` must carry apiVersion and kind. `fieldPath` names a part of it: `spec.containers{web}`. */
  event(object: KubeObject, type: EventType, reason: string, message: string, fieldPath?: string): void
  /** Resolves when what was said so far has been written or given up; an API that is out of reach is not waited for. */
  flush(): Promise<void>
}

export interface EventRecorderOptions {
  readonly client: Client
  readonly component: string
  readonly host?: string
  readonly clock: Clock
  readonly logger: Logger
  readonly random?: () => number
}

interface Said {
  readonly object: KubeObject
  readonly type: EventType
  readonly reason: string
  readonly message: string
  readonly fieldPath: string | undefined
  readonly atMs: number
}

/** Events that wait for the API; what is said beyond that is lost. */
const WAITING_MAX = 1_000
const MESSAGE_LENGTH_MAX = 1_024
/** While the API cannot be reached, an event is tried this often, this far apart, as client-go does. */
const TRIES_MAX = 12
const RETRY_MS = 10_000

/** Events of one component: the same event again counts up, floods are thinned out, all as client-go does. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, component, host, clock, logger } = options
  const random = options.random ?? Math.random
  const correlator = new EventCorrelator()
  const waiting: Said[] = []
  let draining: Promise<void> | undefined
  /** Set by `flush`: from then on nothing is tried twice until all is told. */
  let hurried = false
  let pause = new AbortController()

  const newEvent = (said: Said, message: string, told: ToldEvent, namespace: string): Event => {
    const { kind, apiVersion, metadata: meta = {} } = said.object
    // Unique by the time in nanoseconds, of which the clock gives the first digits and chance the others.
    const suffix = (BigInt(said.atMs) * 1_000_000n + BigInt(Math.floor(random() * 1e6))).toString(16)
    return {
      metadata: { namespace, name: `${(meta.name ?? 'unknown').slice(0, 220)}.${suffix}` },
      involvedObject: {
        apiVersion,
        kind,
        name: meta.name,
        ...(meta.namespace === undefined ? {} : { namespace: meta.namespace }),
        ...(meta.uid === undefined ? {} : { uid: meta.uid }),
        ...(meta.resourceVersion === undefined ? {} : { resourceVersion: meta.resourceVersion }),
        ...(said.fieldPath === undefined ? {} : { fieldPath: said.fieldPath }),
      },
      type: said.type,
      reason: said.reason,
      message,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
      firstTimestamp: timestamp(told.firstMs),
      lastTimestamp: timestamp(said.atMs),
      count: told.count,
    }
  }

  const write = async (said: Said, message: string, told: ToldEvent): Promise<void> => {
    // Events about things without a namespace live in `default`.
    const namespace = said.object.metadata?.namespace || 'default'
    if (told.name !== '') {
      const patch = { count: told.count, lastTimestamp: timestamp(said.atMs), message }
      try {
        await client.patch(EVENTS, { namespace, name: told.name }, patch, { type: 'application/merge-patch+json' })
        return
      } catch (error) {
        // Expired in the meantime: told anew.
        if (!isReason(error, 'NotFound')) throw error
      }
    }
    const event = newEvent(said, message, told, namespace)
    await client.create(EVENTS, event)
    told.name = event.metadata!.name!
  }

  const tell = async (said: Said): Promise<void> => {
    const { kind, metadata: meta = {} } = said.object
    const object = [kind, meta.namespace ?? '', meta.name, meta.uid ?? ''].join('\0')
    const { told, message, allowed } = correlator.correlate({ ...said, object }, said.atMs)
    if (!allowed) return
    for (let tries = 1; ; tries++) {
      try {
        await write(said, message.slice(0, MESSAGE_LENGTH_MAX), told)
        return
      } catch (error) {
        // The server's word is final, as for a namespace that is going away; only a server out of reach is asked again.
        if (error instanceof StatusError || tries >= TRIES_MAX || hurried) {
          logger.debug({ err: error, reason: said.reason }, 'an event could not be written')
          return
        }
      }
      pause = new AbortController()
      await sleep(clock, RETRY_MS * (tries === 1 ? random() : 1), pause.signal)
    }
  }

  const drain = async (): Promise<void> => {
    for (let said = waiting.shift(); said !== undefined; said = waiting.shift()) await tell(said)
    draining = undefined
    hurried = false
  }

  return {
    event(object, type, reason, message, fieldPath) {
      if (waiting.length >= WAITING_MAX) return
      waiting.push({ object, type, reason, message, fieldPath, atMs: clock.now() })
      draining ??= drain()
    },
    async flush() {
      if (draining === undefined) return
      hurried = true
      pause.abort()
      await draining
    },
  }
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}
