import { type AddressLayout, nodeAddresses } from '../../base/address-layout.ts'
import type { Store } from '../store/store.ts'
import { certificateHash } from './cluster-token.ts'
import { registerMachine } from './machines.ts'
import { MembershipError } from './membership-error.ts'

/** The name of the machine on which `wherry up` runs; none that joins can have it. */
const NAME = '/up'

/**
 * Takes the numbers of the nodes that run beside this control plane (`wherry up`), so that none that joins gets them.
 * Rejects with MembershipError when one of them has been given away.
 */
export async function claimOwnNodes(
  store: Store,
  { nodes, octet }: AddressLayout,
  caPem: string,
  nodeExists: (name: string) => boolean,
): Promise<void> {
  const count = nodes.length
  if (count === 0) return
  const request = { name: NAME, secretHash: certificateHash(caPem), count, fromOne: true }
  const clusterName = nodes[0]!.name.replace(/-\d+$/, '')
  const plan = await registerMachine(
    store,
    request,
    (machine) => !machine.nodes.some((number) => nodeExists(nodeAddresses(octet, clusterName, number).name)),
  )
  if (plan.kind === 'granted') return
  const by = plan.kind === 'numbersTaken' ? `the machine "${plan.by}"` : 'others'
  throw new MembershipError('numbersTaken', `of the nodes 1 to ${count} some were given to ${by}`)
}
