import type { ResourceDefinition } from '../../../api/definition.ts'
import { invalid } from '../../../api/field-error.ts'
import type { Draft, KubeObject } from '../../../api/object.ts'
import { invalidError, StatusError } from '../../../api/status-error.ts'
import type { Scale } from '../../../api/types/autoscaling-v1.gen.ts'
import type { CachedObject } from '../cache/cached-object.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { decodeBody, modifiedError, type Registry } from '../registry.ts'
import { copyJson } from '../same-object.ts'
import { checkName, settleNamespace } from '../verbs/create.ts'
import { applyPatch } from '../verbs/patch.ts'
import { replaceObject } from '../verbs/update.ts'
import { fieldValidation } from '../write-options.ts'

const KIND = { group: 'autoscaling', version: 'v1', kind: 'Scale', schema: 'io.k8s.api.autoscaling.v1.Scale' }

function scaleOf(definition: ResourceDefinition, { object }: CachedObject): Scale {
  const scale = definition.scale!
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {}
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: scale.replicas(object) },
    status: { replicas: scale.statusReplicas(object), selector: scale.selector(object) },
  }
}

/** GET, PUT and PATCH of `…/scale`: the replicas of any kind that has them, in one form. */
export async function scale(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info, body, query } = request
  if (info.verb === 'get')
    return {
      kind: 'value',
      status: 200,
      value: scaleOf(definition, await registry.get(definition, info.namespace, info.name)),
    }
  for (let i = 0; i < 10; i++) {
    const stored = await registry.get(definition, info.namespace, info.name)
    const given =
      info.verb === 'patch' ? applyPatch(request.contentType, KIND.schema, scaleOf(definition, stored), body) : body
    const { draft: decoded, warnings } = decodeBody(KIND, given, request.duplicates, fieldValidation(query))
    const next = decoded as Scale
    checkName(decoded.metadata!, info.name)
    settleNamespace(definition, decoded.metadata!, info.namespace)
    const replicas = next.spec?.replicas ?? 0
    if (replicas < 0)
      throw invalidError(KIND, info.name, [invalid('spec.replicas', replicas, 'must be greater than or equal to 0')])
    const version = next.metadata?.resourceVersion
    if (version !== undefined && version !== '' && version !== String(stored.revision))
      throw modifiedError(definition, info.name)
    const draft = copyJson(stored.object) as Draft<KubeObject>
    definition.scale!.withReplicas(draft, replicas)
    const written = await replaceObject(registry, { ...request, info: { ...info, subresource: '' } }, draft, stored)
    if (written !== undefined) return { kind: 'value', status: 200, value: scaleOf(definition, written), warnings }
    if (version !== undefined && version !== '') throw modifiedError(definition, info.name)
  }
  throw new StatusError('Conflict', 'the object was changed too often while it was scaled; try again')
}
