import type { KubeObject } from '../../../api/object.ts'
import { StatusError } from '../../../api/status-error.ts'
import type { Endpoints } from '../../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../../api/types/discovery-v1.gen.ts'
import { inRange, parseCidr } from '../../../base/ipv4.ts'
import type { AdmissionPlugin } from '../admission.ts'
import { CONTROL_PLANE_USER } from '../user.ts'

function addressesOf(resource: string, object: KubeObject | undefined): readonly string[] {
  if (object === undefined) return []
  if (resource === 'endpointslices')
    return ((object as EndpointSlice).endpoints ?? []).flatMap(({ addresses }) => addresses)
  return ((object as Endpoints).subsets ?? []).flatMap(({ addresses = [], notReadyAddresses = [] }) =>
    [...addresses, ...notReadyAddresses].map(({ ip }) => ip),
  )
}

/**
 * Endpoints that people write by hand may name addresses outside the clusters' own range of loopback, and within it
 * only those of pods of their own namespace: else whoever may write endpoints in one namespace reaches pods of all
 * others (CVE-2021-25740). What is stored already may stay; the controllers, which read pods themselves, are not asked.
 */
export function createEndpointRestriction(
  clusterRange: string,
  podAddresses: (namespace: string) => ReadonlySet<string>,
): AdmissionPlugin {
  const range = parseCidr(clusterRange)
  return {
    name: 'EndpointRestriction',
    async admit({ definition, operation, object, previous, namespace = '', name, user }) {
      const { resource } = definition
      if ((resource !== 'endpoints' && resource !== 'endpointslices') || operation === 'DELETE') return undefined
      if (user.name === CONTROL_PLANE_USER.name) return undefined
      const before = new Set(addressesOf(resource, previous))
      const named = addressesOf(resource, object).filter((address) => inRange(range, address) && !before.has(address))
      if (named.length === 0) return undefined
      const pods = podAddresses(namespace)
      const foreign = named.find((address) => !pods.has(address))
      if (foreign === undefined) return undefined
      throw new StatusError(
        'Forbidden',
        `${resource} "${name}" is forbidden: ${foreign} is the address of no pod in namespace "${namespace}"; endpoints may lead to pods of their own namespace and to addresses outside of ${clusterRange}`,
      )
    },
  }
}
