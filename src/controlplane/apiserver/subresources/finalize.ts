import { invalidError, StatusError } from '../../../api/status-error.ts'
import type { Namespace } from '../../../api/types/core-v1.gen.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { decodeBody, modifiedError, type Registry } from '../registry.ts'
import { checkName } from '../verbs/create.ts'
import { finishDeletion } from '../verbs/delete.ts'
import { fieldValidation, isDryRun } from '../write-options.ts'

const RETRIES_MAX = 10

/** PUT of `namespaces/…/finalize`: changes only the finalizers in the spec, and ends the namespace when the last is gone. */
export async function finalize(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info, user, query } = request
  const { draft, warnings } = decodeBody(definition, request.body, request.duplicates, fieldValidation(query))
  checkName(draft.metadata!, info.name)
  const { finalizers = [] } = (draft as Namespace).spec ?? {}
  const { resourceVersion: version = '', uid = '' } = draft.metadata ?? {}
  const dryRun = isDryRun(query)
  for (let i = 0; i < RETRIES_MAX; i++) {
    const stored = await registry.get(definition, '', info.name)
    const current = stored.object as Namespace
    if ((version !== '' && version !== String(stored.revision)) || (uid !== '' && uid !== current.metadata?.uid))
      throw modifiedError(definition, info.name)
    const next: Namespace = { ...current, spec: { ...current.spec, finalizers } }
    const errors = definition.validate(next)
    if (errors.length > 0) throw invalidError(definition, info.name, errors)
    const effects = await registry.admit({
      operation: 'UPDATE',
      definition,
      subresource: info.subresource,
      namespace: undefined,
      name: info.name,
      object: draft,
      previous: current,
      user,
      dryRun,
    })
    if (current.metadata?.deletionTimestamp !== undefined && finishDeletion(next)) {
      if (await registry.remove(stored, effects, dryRun))
        return { kind: 'object', status: 200, object: stored, warnings }
      continue
    }
    const written = await registry.write(definition, next, stored.revision, effects, dryRun)
    if (written !== undefined) return { kind: 'object', status: 200, object: written, warnings }
  }
  throw new StatusError('Conflict', `namespaces "${info.name}" changes too often; try again`)
}
