import { isDeepStrictEqual } from 'node:util'
import { PROXY_USER } from '../../../api/component-users.ts'
import type { KubeObject } from '../../../api/object.ts'
import { PROXY_SERVICE, PROXY_SLICE_PREFIX } from '../../../api/proxy-endpoints.ts'
import { StatusError } from '../../../api/status-error.ts'
import type { Endpoints } from '../../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../../api/types/discovery-v1.gen.ts'
import { inRange, parseCidr } from '../../../base/ipv4.ts'
import type { AdmissionPlugin } from '../admission.ts'
import { CONTROL_PLANE_USER } from '../user.ts'

const SERVICE_LABEL = 'kubernetes.io/service-name'

/** Where endpoints lead; undefined for none. */
function targetsOf(object: KubeObject | undefined): unknown {
  if (object === undefined) return undefined
  const { endpoints, ports, subsets } = object as EndpointSlice & Endpoints
  return { endpoints, ports, subsets, service: object.metadata?.labels?.[SERVICE_LABEL] }
}

function addressesOf(resource: string, object: KubeObject | undefined): readonly string[] {
  if (object === undefined) return []
  if (resource === 'endpointslices')
    return ((object as EndpointSlice).endpoints ?? []).flatMap(({ addresses }) => addresses)
  return ((object as Endpoints).subsets ?? []).flatMap(({ addresses = [], notReadyAddresses = [] }) =>
    [...addresses, ...notReadyAddresses].map(({ ip }) => ip),
  )
}

/** Endpoints of the Service `default/kubernetes`, by whatever name. */
function leadsToApiServers(namespace: string, object: KubeObject | undefined): boolean {
  const { name, labels } = object?.metadata ?? {}
  return namespace === 'default' && (name === 'kubernetes' || labels?.[SERVICE_LABEL] === 'kubernetes')
}

/**
 * Endpoints that people write by hand may name addresses outside the clusters' own range of loopback, and within it
 * only those of pods of their own namespace: else whoever may write endpoints in one namespace reaches pods of all
 * others (CVE-2021-25740). What is stored already may stay; the controllers, which read pods themselves, are not asked.
 * Where `default/kubernetes` leads only the API servers say: every part of the cluster goes there.
 * Proxies write one kind of slice only, which says at which node's address their own metrics are.
 */
export function createEndpointRestriction(
  clusterRange: string,
  podAddresses: (namespace: string) => ReadonlySet<string>,
  nodeAddresses: () => ReadonlySet<string>,
): AdmissionPlugin {
  const range = parseCidr(clusterRange)
  return {
    name: 'EndpointRestriction',
    async admit({ definition, operation, object, previous, namespace = '', name, user }) {
      const { resource } = definition
      if ((resource !== 'endpoints' && resource !== 'endpointslices') || operation === 'DELETE') return undefined
      if (user.name === CONTROL_PLANE_USER.name) return undefined
      if (user.name === PROXY_USER) return admitProxy(resource, name, object, nodeAddresses())
      if (leadsToApiServers(namespace, object) && !isDeepStrictEqual(targetsOf(object), targetsOf(previous)))
        throw new StatusError(
          'Forbidden',
          `${resource} "${name}" is forbidden: the API servers themselves keep the endpoints of default/kubernetes`,
        )
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

/** Throws Forbidden for anything but a slice of the proxies' own Service that leads to nodes. */
function admitProxy(
  resource: string,
  name: string,
  object: KubeObject | undefined,
  nodes: ReadonlySet<string>,
): undefined {
  const refuse = (why: string): StatusError =>
    new StatusError('Forbidden', `${resource} "${name}" is forbidden: ${why}`)
  const service = object?.metadata?.labels?.['kubernetes.io/service-name']
  if (resource !== 'endpointslices' || !name.startsWith(PROXY_SLICE_PREFIX) || service !== PROXY_SERVICE.name)
    throw refuse(`a proxy writes slices of the Service ${PROXY_SERVICE.name} alone`)
  const foreign = addressesOf(resource, object).find((address) => !nodes.has(address))
  if (foreign !== undefined) throw refuse(`${foreign} is the address of no node`)
}
