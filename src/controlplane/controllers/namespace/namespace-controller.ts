import type { KubeObject } from '../../../api/object.ts'
import { NAMESPACES, type ResourceType } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { ReconcileResult } from '../../../client/run-workers.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { OwnWrites } from '../own-writes.ts'
import { sameValue } from '../same-value.ts'
import { NAMESPACE_FINALIZER, type NamespaceObservation, planNamespace, type Remainder } from './plan-namespace.ts'

const DELETIONS_AT_ONCE = 32
const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 5_000

/** Empties namespaces that are being deleted, pods first, and lets them go when nothing is left. */
export function startNamespaceController(context: ControllerContext): RunningController {
  const { client, clock } = context
  const namespaces = context.informers.for(NAMESPACES)
  const written = new OwnWrites(namespaces)
  const namespaced = context.resourceTypes.filter((type) => type.namespaced)
  const pods = namespaced.filter(({ group, resource }) => group === '' && resource === 'pods')
  const others = namespaced.filter((type) => !pods.includes(type))
  const attempts = new Map<string, number>()

  const listAll = async (type: ResourceType, namespace: string): Promise<readonly KubeObject[]> => {
    const items: KubeObject[] = []
    let next: string | undefined
    do {
      const page = await client.list(type, { namespace, limit: 500, ...(next === undefined ? {} : { continue: next }) })
      items.push(...page.items)
      next = page.continue
    } while (next !== undefined)
    return items
  }

  const deleteAll = async (type: ResourceType, items: readonly KubeObject[]): Promise<void> => {
    const doomed = items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    const worker = async (): Promise<void> => {
      for (let item = doomed.shift(); item !== undefined; item = doomed.shift()) {
        const { namespace, name = '', uid } = item.metadata ?? {}
        try {
          const preconditions = uid === undefined ? {} : { uid }
          await client.delete(type, { namespace, name }, { propagationPolicy: 'Background', preconditions })
        } catch (error) {
          if (!isReason(error, 'NotFound') && !isReason(error, 'Conflict')) throw error
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(DELETIONS_AT_ONCE, doomed.length) }, worker))
  }

  const empty = async (type: ResourceType, namespace: string): Promise<Remainder | undefined> => {
    const before = await listAll(type, namespace)
    if (before.length === 0) return undefined
    await deleteAll(type, before)
    const left = await listAll(type, namespace)
    if (left.length === 0) return undefined
    const finalizers: Record<string, number> = {}
    for (const { metadata } of left)
      for (const name of metadata?.finalizers ?? []) finalizers[name] = (finalizers[name] ?? 0) + 1
    const resource = type.group === '' ? type.resource : `${type.resource}.${type.group}`
    return { resource, count: left.length, finalizers }
  }

  const emptyAll = async (types: readonly ResourceType[], namespace: string): Promise<NamespaceObservation> => {
    const results = await Promise.allSettled(types.map((type) => empty(type, namespace)))
    return {
      remaining: results.flatMap((result) => (result.status === 'fulfilled' && result.value ? [result.value] : [])),
      errors: results.flatMap((result) => {
        if (result.status === 'fulfilled') return []
        return [result.reason instanceof Error ? result.reason.message : String(result.reason)]
      }),
    }
  }

  const reconcile = async (name: string): Promise<ReconcileResult | undefined> => {
    const namespace = written.get(undefined, name)
    const leaving = namespace?.metadata?.deletionTimestamp !== undefined
    if (!leaving || !(namespace.spec?.finalizers ?? []).includes(NAMESPACE_FINALIZER)) {
      attempts.delete(name)
      return undefined
    }
    let observed = await emptyAll(pods, name)
    // Everything else stays until the pods are gone, which may need it to end well.
    if (observed.remaining.length + observed.errors.length === 0) observed = await emptyAll(others, name)
    const plan = planNamespace(namespace, observed, clock.now())
    let current = namespace
    try {
      if (plan.actions.length === 0 && !sameValue(plan.status, namespace.status)) {
        current = await client.updateStatus(NAMESPACES, { ...namespace, status: plan.status })
        written.record(current)
      }
      for (const { finalizers } of plan.actions) {
        const body = { ...current, apiVersion: 'v1', kind: 'Namespace', spec: { ...current.spec, finalizers } }
        await client.updateSubresource(NAMESPACES, { name }, 'finalize', body)
        attempts.delete(name)
      }
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
    if (plan.actions.length > 0) return undefined
    const attempt = attempts.get(name) ?? 0
    attempts.set(name, attempt + 1)
    return { requeueAfterMs: Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** attempt) }
  }

  return runController({
    name: 'namespace',
    context,
    informers: [namespaces],
    workers: 4,
    reconcile,
    subscribe: (queue) => [namespaces.onChange((change) => queue.add(change.object.metadata?.name ?? ''))],
  })
}
