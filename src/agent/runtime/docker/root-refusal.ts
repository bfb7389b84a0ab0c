import type { ContainerConfig } from '../runtime.ts'

/**
 * Why a container that must not run as root cannot be started, in the kubelet's words; undefined when it can. `imageUser`
 * is `USER` of its image, which counts when the pod names no user of its own.
 */
export function rootRefusal({ securityContext }: ContainerConfig, imageUser: string): string | undefined {
  const { runAsNonRoot, runAsUser } = securityContext
  if (runAsNonRoot !== true) return undefined
  if (runAsUser !== undefined) return runAsUser === 0 ? "container's runAsUser breaks non-root policy" : undefined
  const user = imageUser.split(':')[0]!
  if (user === '' || user === 'root' || /^0+$/.test(user))
    return 'container has runAsNonRoot and image will run as root'
  return /^\d+$/.test(user)
    ? undefined
    : `container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root`
}
