import type { Draft } from '../../object.ts'
import type { PodSpec } from '../../types/core-v1.gen.ts'

const KEYS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']
const SECONDS = 300

/** A pod stays five minutes on a node that is lost, unless it says otherwise. */
export function addDefaultTolerations(spec: Draft<PodSpec>): void {
  for (const key of KEYS) {
    const tolerated = spec.tolerations?.some(
      (toleration) =>
        (!toleration.key || toleration.key === key) && (!toleration.effect || toleration.effect === 'NoExecute'),
    )
    if (tolerated) continue
    spec.tolerations ??= []
    spec.tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: SECONDS })
  }
}
