import { setCondition } from '../../../api/conditions.ts'
import { type FieldError, notSupported, required } from '../../../api/field-error.ts'
import { conflictError, invalidError } from '../../../api/status-error.ts'
import type { Binding, Pod } from '../../../api/types/core-v1.gen.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { decodeBody, type Registry } from '../registry.ts'
import { SUCCESS } from '../response/encode.ts'
import { checkName, settleNamespace, timestamp } from '../verbs/create.ts'
import { fieldValidation, isDryRun } from '../write-options.ts'
import { admitSubresource } from './admit-subresource.ts'

const KIND = { group: '', version: 'v1', kind: 'Binding', schema: 'io.k8s.api.core.v1.Binding' }

/** POST of a Binding: puts a pod on a node, once. */
export async function bind(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info } = request
  const { draft, warnings } = decodeBody(KIND, request.body, request.duplicates, fieldValidation(request.query))
  const binding = draft as Binding
  checkName(draft.metadata!, info.name)
  settleNamespace(definition, draft.metadata!, info.namespace)
  const { name: node = '', kind = '' } = binding.target ?? {}
  const errors: FieldError[] = []
  if (kind !== '' && kind !== 'Node') errors.push(notSupported('target.kind', kind, ['Node', '<empty>']))
  if (node === '') errors.push(required('target.name'))
  if (errors.length > 0) throw invalidError(KIND, info.name, errors)
  const dryRun = isDryRun(request.query)
  await admitSubresource(registry, request, draft, dryRun)
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
      // The promise of a node is kept, or void (KEP-5278).
      const { nominatedNodeName: _, ...status } = pod.status ?? {}
      return {
        ...pod,
        metadata: { ...pod.metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
        spec: { ...pod.spec!, nodeName: node },
        status: { ...status, conditions },
      } as Pod
    },
    dryRun,
  )
  return { kind: 'value', status: 201, value: SUCCESS, warnings }
}
