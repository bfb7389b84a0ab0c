import { labelMatcherOf } from '../../../api/label-selector.ts'
import { objectKey, splitKey } from '../../../api/object.ts'
import { isPodTerminal } from '../../../api/pod-readiness.ts'
import { DEPLOYMENTS, PODS, REPLICA_SETS } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { Deployment, ReplicaSet } from '../../../api/types/apps-v1.gen.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { ReconcileResult } from '../../../client/run-workers.ts'
import { applyClaims, planClaims } from '../claim.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { isNamespaceTerminating } from '../namespace-terminating.ts'
import { OwnWrites } from '../own-writes.ts'
import { BY_CONTROLLER, controllerOf, ORPHANS, OWNER_INDEXES, typed } from '../owner-references.ts'
import { sameValue } from '../same-value.ts'
import { REVISION } from './annotations.ts'
import { type DeploymentAction, type DeploymentObservation, planDeployment } from './plan-deployment.ts'
import { sameTemplate } from './template-hash.ts'
import { specReplicas } from './working-set.ts'

/** Rolls Deployments out by resizing their ReplicaSets. */
export function startDeploymentController(context: ControllerContext): RunningController {
  const { client, clock } = context
  const events = context.events('deployment-controller')
  const deployments = context.informers.for(DEPLOYMENTS)
  const replicaSets = context.informers.for(REPLICA_SETS, { indexes: OWNER_INDEXES })
  const pods = context.informers.for(PODS, { indexes: OWNER_INDEXES })
  const writtenSets = new OwnWrites(replicaSets)
  const written = new OwnWrites(deployments)

  const tellScaled = (deployment: Deployment, name: string, from: number, to: number): void => {
    if (from === to) return
    const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${name} from ${from} to ${to}`
    events.event(typed(DEPLOYMENTS, deployment), 'Normal', 'ScalingReplicaSet', message)
  }

  /** A ReplicaSet of that name is there: ours from a write the copy does not show yet, or another template's. */
  const resolveCollision = async (deployment: Deployment, wanted: ReplicaSet): Promise<void> => {
    const { namespace, name = '' } = wanted.metadata ?? {}
    const existing = await client.get(REPLICA_SETS, { namespace, name })
    const ours = controllerOf(existing)?.uid === deployment.metadata?.uid
    if (ours && sameTemplate(existing.spec?.template, deployment.spec?.template)) {
      writtenSets.record(existing)
      return
    }
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1
    written.record(
      await client.updateStatus(DEPLOYMENTS, { ...deployment, status: { ...deployment.status, collisionCount } }),
    )
  }

  const createReplicaSet = async (deployment: Deployment, replicaSet: ReplicaSet): Promise<void> => {
    const name = replicaSet.metadata?.name ?? ''
    try {
      writtenSets.record(await client.create(REPLICA_SETS, replicaSet))
    } catch (error) {
      if (isReason(error, 'AlreadyExists')) {
        await resolveCollision(deployment, replicaSet)
        throw new Error(`a ReplicaSet "${name}" exists already; planning again`)
      }
      if (!isReason(error, 'Conflict') && !isNamespaceTerminating(error) && error instanceof Error) {
        const message = `Failed to create new replica set "${name}": ${error.message}`
        events.event(typed(DEPLOYMENTS, deployment), 'Warning', 'ReplicaSetCreateError', message)
        const { status } = planDeployment(deployment, { ...observe(deployment), createFailure: message }, clock.now())
        await writeStatus(deployment, status)
      }
      throw error
    }
    tellScaled(deployment, name, 0, specReplicas(replicaSet))
  }

  /** Carries out one action; returns the Deployment as it is afterwards. */
  const apply = async (deployment: Deployment, action: DeploymentAction): Promise<Deployment> => {
    const { namespace, name = '' } = deployment.metadata ?? {}
    switch (action.kind) {
      case 'createReplicaSet':
        await createReplicaSet(deployment, action.replicaSet)
        return deployment
      case 'updateReplicaSet':
        writtenSets.record(await client.update(REPLICA_SETS, action.replicaSet))
        tellScaled(deployment, action.replicaSet.metadata?.name ?? '', action.from, action.to)
        return deployment
      case 'deleteReplicaSet': {
        const { name: oldName = '', uid } = action.replicaSet.metadata ?? {}
        try {
          await client.delete(REPLICA_SETS, { namespace, name: oldName }, { preconditions: uid ? { uid } : {} })
        } catch (error) {
          if (!isReason(error, 'NotFound')) throw error
        }
        return deployment
      }
      case 'setRevision': {
        const { resourceVersion, uid } = deployment.metadata ?? {}
        const patch = { metadata: { uid, resourceVersion, annotations: { [REVISION]: action.revision } } }
        const patched = await client.patch(DEPLOYMENTS, { namespace, name }, patch, {
          type: 'application/merge-patch+json',
        })
        written.record(patched)
        return patched
      }
    }
  }

  const writeStatus = async (deployment: Deployment, status: Deployment['status']): Promise<void> => {
    if (sameValue(status, deployment.status)) return
    written.record(await client.updateStatus(DEPLOYMENTS, { ...deployment, status }))
  }

  const observe = (deployment: Deployment): DeploymentObservation => {
    const uid = deployment.metadata?.uid ?? ''
    const mine = (replicaSet: ReplicaSet): boolean => controllerOf(replicaSet)?.uid === uid
    const owned = writtenSets.overlay(replicaSets.byIndex(BY_CONTROLLER, uid), mine)
    const podsOf = ({ metadata }: ReplicaSet): readonly [string, readonly Pod[]] => [
      metadata?.uid ?? '',
      pods.byIndex(BY_CONTROLLER, metadata?.uid ?? ''),
    ]
    const recreates = deployment.spec?.strategy?.type === 'Recreate'
    return { replicaSets: owned, podsByReplicaSet: new Map(recreates ? owned.map(podsOf) : []) }
  }

  const reconcile = async (key: string): Promise<ReconcileResult | undefined> => {
    const { namespace, name } = splitKey(key)
    const deployment = written.get(namespace, name)
    if (deployment === undefined) return undefined
    const matcher = labelMatcherOf(deployment.spec?.selector)
    const observed = observe(deployment)
    const candidates = [...observed.replicaSets, ...replicaSets.byIndex(ORPHANS, namespace ?? '')]
    const claims = planClaims(deployment, matcher, candidates)
    if (claims.adopt.length + claims.release.length > 0) {
      const owned = await applyClaims(client, claims, { type: DEPLOYMENTS, object: deployment }, REPLICA_SETS)
      for (const replicaSet of owned) if (!claims.owned.includes(replicaSet)) writtenSets.record(replicaSet)
      // The copy will show the change and wake this key again.
      return undefined
    }
    const plan = planDeployment(deployment, observed, clock.now())
    let current = deployment
    for (const action of plan.actions) {
      context.logger.debug({ deployment: key, action: action.kind, why: action.why }, 'deployment')
      current = await apply(current, action)
    }
    await writeStatus(current, plan.status)
    return plan.recheckAt === undefined ? undefined : { requeueAfterMs: Math.max(0, plan.recheckAt - clock.now()) }
  }

  return runController({
    name: 'deployment',
    context,
    informers: [deployments, replicaSets, pods],
    workers: 8,
    reconcile,
    subscribe(queue) {
      const wakeOwner = (replicaSet: ReplicaSet): void => {
        const { namespace } = replicaSet.metadata ?? {}
        const owner = controllerOf(replicaSet)
        if (owner?.kind === DEPLOYMENTS.kind) queue.add(`${namespace}/${owner.name}`)
        if (owner !== undefined) return
        for (const candidate of deployments.list(namespace)) {
          if (labelMatcherOf(candidate.spec?.selector).matches(replicaSet.metadata?.labels))
            queue.add(objectKey(candidate))
        }
      }
      /** Recreate waits for the last old pod to be gone. */
      const wakeWaiting = (pod: Pod): void => {
        const owner = controllerOf(pod)
        const replicaSet = owner && replicaSets.get(pod.metadata?.namespace, owner.name)
        const deployment = replicaSet && controllerOf(replicaSet)
        if (deployment === undefined) return
        const waits = deployments.get(pod.metadata?.namespace, deployment.name)?.spec?.strategy?.type === 'Recreate'
        if (waits) queue.add(`${pod.metadata?.namespace}/${deployment.name}`)
      }
      return [
        deployments.onChange((change) => queue.add(objectKey(change.object))),
        replicaSets.onChange((change) => {
          wakeOwner(change.object)
          if (change.type === 'modified') wakeOwner(change.previous)
        }),
        pods.onChange((change) => {
          if (change.type === 'deleted' || isPodTerminal(change.object)) wakeWaiting(change.object)
        }),
      ]
    },
  })
}
