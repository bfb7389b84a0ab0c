import type { ResourceDefinition } from '../../../api/definition.ts'
import { SERVICE_ACCOUNT } from '../../../api/definitions/service-account.ts'
import type { Draft } from '../../../api/object.ts'
import { SAFE_LETTERS } from '../../../api/safe-letters.ts'
import type { Container, Pod, ServiceAccount, Volume } from '../../../api/types/core-v1.gen.ts'
import type { AdmissionPlugin } from '../admission.ts'
import type { ResourceCache } from '../cache/resource-cache.ts'
import { storageKey } from '../request-info.ts'

/** Where client libraries look for what a program in a pod needs to reach the API. */
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
/** As kube-apiserver asks for: an hour and a little, so that it can be told from one that a person asked for. */
const TOKEN_SECONDS = 3_607
const MODE = 0o644
const MIRROR = 'kubernetes.io/config.mirror'

/** The volume that holds a token of the pod's account, the CA of the API servers, and the pod's namespace. */
function accessVolume(name: string): Draft<Volume> {
  return {
    name,
    projected: {
      defaultMode: MODE,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  }
}

/**
 * Gives each container of `pod` the access volume, unless something of its own stands there already. `random` makes the
 * volume's name; `account` is the pod's, as far as it is known.
 */
export function mountServiceAccount(pod: Draft<Pod>, account: ServiceAccount | undefined, random: () => number): void {
  const spec = pod.spec!
  if (pod.metadata?.annotations?.[MIRROR] !== undefined) return
  if ((spec.automountServiceAccountToken ?? account?.automountServiceAccountToken ?? true) === false) return
  const containers: readonly Draft<Container>[] = [...(spec.initContainers ?? []), ...spec.containers]
  const without = containers.filter(
    ({ volumeMounts = [] }) => !volumeMounts.some(({ mountPath }) => mountPath === MOUNT_PATH),
  )
  if (without.length === 0) return
  const suffix = Array.from({ length: 5 }, () => SAFE_LETTERS[Math.floor(random() * SAFE_LETTERS.length)]).join('')
  const name = `kube-api-access-${suffix}`
  spec.volumes = [...(spec.volumes ?? []), accessVolume(name)]
  for (const container of without) {
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: MOUNT_PATH }]
  }
}

/**
 * New pods can reach the API by what stands at the usual path (Kubernetes' ServiceAccount plugin). For clusters whose
 * containers have file systems of their own: elsewhere nothing can stand at that path.
 */
export function createServiceAccountMount(
  cacheOf: (definition: ResourceDefinition) => ResourceCache,
  random: () => number,
): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    async admit({ definition, operation, subresource, namespace = '', object }) {
      if (operation !== 'CREATE' || subresource !== '' || definition.group !== '' || definition.resource !== 'pods') {
        return undefined
      }
      const pod = object as Draft<Pod>
      const key = storageKey(SERVICE_ACCOUNT, namespace, pod.spec?.serviceAccountName || 'default')
      mountServiceAccount(pod, cacheOf(SERVICE_ACCOUNT).get(key)?.object as ServiceAccount | undefined, random)
      return undefined
    },
  }
}
