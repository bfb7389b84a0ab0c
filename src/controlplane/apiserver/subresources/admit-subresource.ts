import type { Draft, KubeObject } from '../../../api/object.ts'
import type { CoreRequest } from '../core-request.ts'
import type { Registry } from '../registry.ts'

/**
 * Asks the admission plugins about an object posted to a subresource (a Binding, an Eviction, a TokenRequest). Effects
 * belong to objects that are stored; what is posted here is not, so they are let go at once.
 */
export async function admitSubresource(
  registry: Registry,
  { definition, info, user }: CoreRequest,
  object: Draft<KubeObject>,
  dryRun: boolean,
): Promise<void> {
  const effects = await registry.admit({
    operation: 'CREATE',
    definition,
    subresource: info.subresource,
    namespace: definition.namespaced ? info.namespace : undefined,
    name: info.name,
    object,
    previous: undefined,
    user,
    dryRun,
  })
  for (const effect of effects) effect.settle('abandoned')
}
