import type { ObjectMeta } from '../types/meta-v1.gen.ts'
import { CLUSTER_LOOPBACK, validateEndpointAddress } from './ip-rules.ts'

/** Where an API server listens that is for its own machine alone. */
const API_SERVER_ADDRESS = '127.0.0.1'

/**
 * What is wrong with an address that a Service's traffic would be sent to. Of loopback outside the clusters' part only
 * one address may be named, and only by the endpoints of the Service that leads to the API servers.
 */
export function trafficAddressErrors(address: string, meta: ObjectMeta | undefined): readonly string[] {
  const names = [meta?.name, meta?.labels?.['kubernetes.io/service-name']]
  const leadsToApiServers = meta?.namespace === 'default' && names.includes('kubernetes')
  return leadsToApiServers && address === API_SERVER_ADDRESS ? [] : validateEndpointAddress(address, CLUSTER_LOOPBACK)
}
