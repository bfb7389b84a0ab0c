import type { PodContainer } from './pod-containers.ts'

/**
 * Whether an ended container is started again: the container's own rules first (restartPolicyRules, KEP-5307), then
 * its own policy, then the pod's. An init container that succeeded is done whatever the policy.
 */
export function shouldRestart(container: PodContainer, podPolicy: string | undefined, exitCode: number): boolean {
  if (container.kind === 'sidecar') return true
  for (const rule of container.spec.restartPolicyRules ?? []) {
    const { operator, values = [] } = rule.exitCodes ?? { operator: '' }
    const holds = operator === 'In' ? values.includes(exitCode) : operator === 'NotIn' && !values.includes(exitCode)
    if (holds && rule.action === 'Restart') return true
  }
  const policy = container.spec.restartPolicy ?? podPolicy ?? 'Always'
  if (policy === 'Never') return false
  if (policy === 'OnFailure' || container.kind === 'init') return exitCode !== 0
  return true
}
