import { setCondition } from '../../../api/conditions.ts'
import { conflictError, StatusError } from '../../../api/status-error.ts'
import type { Binding, Pod } from '../../../api/types/core-v1.gen.ts'
import { type CoreRequest, type CoreResponse, isDryRun } from '../core-request.ts'
import type { Registry } from '../registry.ts'
import { timestamp } from '../verbs/create.ts'

/** POST of a Binding: puts a pod on a node, once. */
export async function bind(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info } = request
  const binding = request.body as Binding
  const node = binding?.target?.name
  if (node === undefined || node === '')
    throw new StatusError('Invalid', 'Binding "" is invalid: target.name: Required value')
  const kind = binding.target?.kind
  if (kind !== undefined && kind !== '' && kind !== 'Node')
    throw new StatusError(
      'Invalid',
      `Binding "" is invalid: target.kind: Unsupported value: "${kind}": supported values: "Node", "<empty>"`,
    )
  const uid = binding.metadata?.uid
  await registry.modify(
    definition,
    info.namespace,
    info.name,
    (current) => {
      const pod = current as Pod
      if (uid !== undefined && uid !== '' && uid !== pod.metadata?.uid)
        throw conflictError(
          definition,
          info.name,
          `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata?.uid}`,
        )
      if (pod.metadata?.deletionTimestamp !== undefined)
        throw conflictError(definition, info.name, `pod ${info.name} is being deleted, cannot be assigned to a host`)
      if (pod.spec?.nodeName)
        throw conflictError(
          definition,
          info.name,
          `pod ${info.name} is already assigned to node "${pod.spec.nodeName}"`,
        )
      if ((pod.spec?.schedulingGates ?? []).length > 0)
        throw conflictError(definition, info.name, `pod ${info.name} has non-empty .spec.schedulingGates`)
      const annotations = { ...pod.metadata?.annotations, ...binding.metadata?.annotations }
      const conditions = setCondition(
        pod.status?.conditions,
        { type: 'PodScheduled', status: 'True' },
        timestamp(registry.clock.now()),
      )
      return {
        ...pod,
        metadata: { ...pod.metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
        spec: { ...pod.spec!, nodeName: node },
        status: { ...pod.status, conditions },
      } as Pod
    },
    isDryRun(request.query),
  )
  return { kind: 'value', status: 201, value: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } }
}
