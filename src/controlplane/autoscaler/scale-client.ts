import { DEFINITIONS } from '../../api/definitions/all.ts'
import type { ResourceType } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Scale } from '../../api/types/autoscaling-v1.gen.ts'
import type { CrossVersionObjectReference } from '../../api/types/autoscaling-v2.gen.ts'
import type { Client } from '../../client/client.ts'
import { resourcePath, statusErrorOf } from '../../client/create-client.ts'
import type { Transport } from '../../client/transport.ts'
import type { TargetScale } from './plan-autoscaling.ts'

/** A target's scale and the version it was read at. */
export interface ReadScale extends TargetScale {
  readonly type: ResourceType
  readonly resourceVersion: string
}

/** Reads and writes the `scale` subresource of whatever has one. */
export interface ScaleClient {
  /** Throws when there is no such kind or object, or it cannot be scaled. */
  read(target: CrossVersionObjectReference, namespace: string): Promise<ReadScale>
  /**
   * Asks for another size. False when somebody else has changed the size since it was read: then what was decided no
   * longer holds. Throws what the server refuses.
   */
  write(target: CrossVersionObjectReference, namespace: string, scale: ReadScale, replicas: number): Promise<boolean>
}

/** Versions that one write meets: the status of what is scaled changes all the time. */
const TRIES_MAX = 5

/** Where objects of a reference's group and kind are served. Throws when nothing of the kind is. */
export function typeOfTarget({ apiVersion = '', kind }: CrossVersionObjectReference): ResourceType {
  const parts = apiVersion.split('/')
  if (parts.length > 2) throw new Error(`unexpected GroupVersion string: ${apiVersion}`)
  const group = parts.length === 2 ? parts[0]! : ''
  const found = DEFINITIONS.find(
    (definition) => definition.group === group && definition.kind === kind && definition.storage === undefined,
  )
  if (found === undefined) throw new Error(`no matches for kind "${kind}" in group "${group}"`)
  const { version, resource, namespaced } = found
  return { group, version, resource, kind, namespaced }
}

/** Reads go anywhere, writes through `client`, which may be bound to a lease. */
export function createScaleClient(client: Client, transport: Transport): ScaleClient {
  const read: ScaleClient['read'] = async (target, namespace) => {
    const type = typeOfTarget(target)
    const path = resourcePath(type, namespace, target.name, 'scale')
    const { status, body } = await transport.request({ method: 'GET', path })
    if (status >= 400) throw statusErrorOf(status, body)
    const scale = body as Scale
    return {
      type,
      resourceVersion: scale.metadata?.resourceVersion ?? '',
      replicas: scale.spec?.replicas ?? 0,
      statusReplicas: scale.status?.replicas ?? 0,
      selector: scale.status?.selector ?? '',
    }
  }
  return {
    read,
    async write(target, namespace, scale, replicas) {
      let { resourceVersion } = scale
      for (let tries = 1; ; tries++) {
        const ref = { namespace, name: target.name }
        try {
          await client.updateSubresource(scale.type, ref, 'scale', {
            apiVersion: 'autoscaling/v1',
            kind: 'Scale',
            metadata: { ...ref, resourceVersion },
            spec: { replicas },
          })
          return true
        } catch (error) {
          if (!isReason(error, 'Conflict') || tries >= TRIES_MAX) throw error
        }
        const newer = await read(target, namespace)
        if (newer.replicas !== scale.replicas) return false
        resourceVersion = newer.resourceVersion
      }
    },
  }
}
