import type { Namespace } from '../../../api/types/core-v1.gen.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { modifiedError, type Registry } from '../registry.ts'
import { finishDeletion } from '../verbs/delete.ts'

/** PUT of `namespaces/…/finalize`: changes only the finalizers in the spec, and ends the namespace when the last is gone. */
export async function finalize(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info } = request
  const finalizers = ((request.body as Namespace).spec?.finalizers ?? []) as readonly string[]
  for (let i = 0; i < 10; i++) {
    const stored = await registry.get(definition, '', info.name)
    const current = stored.object as Namespace
    const next: Namespace = { ...current, spec: { ...current.spec, finalizers } }
    if (current.metadata?.deletionTimestamp !== undefined && finishDeletion(next)) {
      if (await registry.remove(stored, [], false)) return { kind: 'object', status: 200, object: stored, warnings: [] }
      continue
    }
    const written = await registry.write(definition, next, stored.revision, [], false)
    if (written !== undefined) return { kind: 'object', status: 200, object: written, warnings: [] }
  }
  throw modifiedError(definition, info.name)
}
