import type { KubeObject } from '../api/object.ts'
import { EVENTS } from '../api/resource-type.ts'
import { isReason } from '../api/status-error.ts'
import type { Event } from '../api/types/core-v1.gen.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from './client.ts'

export type EventType = 'Normal' | 'Warning'

/** Tells people what happened to an object. Never throws and never waits. */
export interface EventRecorder {
  /** `object` must carry apiVersion and kind. `fieldPath` names a part of it: `spec.containers{web}`. */
  event(object: KubeObject, type: EventType, reason: string, message: string, fieldPath?: string): void
  /** Resolves when what was said so far has been written or given up. */
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

interface Known {
  readonly namespace: string
  readonly name: string
  readonly firstMs: number
  count: number
}

// client-go's correlator: similar events beyond 10 in 10 minutes are told as one; 25 at once and then one every 5
// minutes for each source and object; 4,096 remembered.
const SIMILAR_MAX = 10
const SIMILAR_WINDOW_MS = 10 * 60_000
const BURST = 25
const REFILL_MS = 5 * 60_000
const REMEMBERED_MAX = 4_096
const WAITING_MAX = 1_000

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > REMEMBERED_MAX) map.delete(map.keys().next().value!)
}

/** Events of one component: the same event again counts up, floods are thinned out, all as client-go does. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, component, host, clock, logger } = options
  const random = options.random ?? Math.random
  const known = new Map<string, Known>()
  const similar = new Map<string, { messages: Set<string>; sinceMs: number }>()
  const tokens = new Map<string, { left: number; atMs: number }>()
  const waiting: Said[] = []
  let draining: Promise<void> | undefined

  const allowed = (objectId: string, now: number): boolean => {
    const bucket = tokens.get(objectId) ?? { left: BURST, atMs: now }
    const left = Math.min(BURST, bucket.left + (now - bucket.atMs) / REFILL_MS)
    remember(tokens, objectId, { left: left >= 1 ? left - 1 : left, atMs: now })
    return left >= 1
  }

  /** The message as it is told: the same one for all once there were too many different ones. */
  const aggregated = (
    groupKey: string,
    message: string,
    now: number,
  ): { readonly key: string; readonly message: string } => {
    let group = similar.get(groupKey)
    if (group === undefined || now - group.sinceMs > SIMILAR_WINDOW_MS) group = { messages: new Set(), sinceMs: now }
    group.messages.add(message)
    remember(similar, groupKey, group)
    if (group.messages.size <= SIMILAR_MAX) return { key: `${groupKey}\0${message}`, message }
    return { key: groupKey, message: `(combined from similar events): ${message}` }
  }

  const write = async (said: Said): Promise<void> => {
    const meta = said.object.metadata ?? {}
    const objectId = `${said.object.kind}\0${meta.namespace ?? ''}\0${meta.name}\0${meta.uid}`
    if (!allowed(objectId, said.atMs)) return
    const group = [objectId, said.fieldPath, said.type, said.reason].join('\0')
    const { key, message } = aggregated(group, said.message, said.atMs)
    const at = new Date(said.atMs).toISOString().replace(/\.\d+Z$/, 'Z')
    const before = known.get(key)
    if (before !== undefined) {
      before.count += 1
      try {
        const patch = { count: before.count, lastTimestamp: at, message }
        await client.patch(EVENTS, before, patch, { type: 'application/merge-patch+json' })
        return
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
        // Expired in the meantime: told anew below.
      }
    }
    // Events about things without a namespace live in `default`.
    const namespace = meta.namespace !== undefined && meta.namespace !== '' ? meta.namespace : 'default'
    const suffix = `${Math.floor(said.atMs * 1e6).toString(16)}${Math.floor(random() * 0xffff)
      .toString(16)
      .padStart(4, '0')}`
    const name = `${(meta.name ?? 'unknown').slice(0, 220)}.${suffix}`
    const event: Event = {
      metadata: { namespace, name },
      involvedObject: {
        apiVersion: said.object.apiVersion,
        kind: said.object.kind,
        name: meta.name,
        ...(meta.namespace === undefined ? {} : { namespace: meta.namespace }),
        ...(meta.uid === undefined ? {} : { uid: meta.uid }),
        ...(meta.resourceVersion === undefined ? {} : { resourceVersion: meta.resourceVersion }),
        ...(said.fieldPath === undefined ? {} : { fieldPath: said.fieldPath }),
      },
      type: said.type,
      reason: said.reason,
      message: message.slice(0, 1_024),
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
    }
    await client.create(EVENTS, event)
    remember(known, key, { namespace, name, firstMs: said.atMs, count: 1 })
  }

  const drain = async (): Promise<void> => {
    for (let said = waiting.shift(); said !== undefined; said = waiting.shift()) {
      try {
        await write(said)
      } catch (error) {
        // As in a namespace that is going away: nobody will read it.
        logger.debug({ err: error, reason: said.reason }, 'an event could not be written')
      }
    }
    draining = undefined
  }

  return {
    event(object, type, reason, message, fieldPath) {
      if (waiting.length >= WAITING_MAX) return
      waiting.push({ object, type, reason, message, fieldPath, atMs: clock.now() })
      draining ??= drain()
    },
    async flush() {
      await draining
    },
  }
}
