import type { Container, Pod } from '../../api/types/core-v1.gen.ts'

export interface PodContainer {
  readonly spec: Container
  readonly name: string
  /** A sidecar is an init container with restartPolicy Always (KEP-753). */
  readonly kind: 'init' | 'sidecar' | 'main'
}

/** The pod's containers, init containers and sidecars first, in the order they start. */
export function podContainers(pod: Pod): readonly PodContainer[] {
  const init = (pod.spec?.initContainers ?? []).map((spec): PodContainer => {
    return { spec, name: spec.name, kind: spec.restartPolicy === 'Always' ? 'sidecar' : 'init' }
  })
  const main = (pod.spec?.containers ?? []).map((spec): PodContainer => ({ spec, name: spec.name, kind: 'main' }))
  return [...init, ...main]
}

/** `spec.containers{web}`: how events name a part of a pod. */
export function containerFieldPath(container: PodContainer): string {
  return `spec.${container.kind === 'main' ? 'containers' : 'initContainers'}{${container.name}}`
}

/** `web_default(<uid>)`: how messages name a pod. */
export function podFullName(pod: Pod): string {
  return `${pod.metadata?.name}_${pod.metadata?.namespace}(${pod.metadata?.uid})`
}
