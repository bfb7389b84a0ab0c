import type { Service } from '../../api/types/core-v1.gen.ts'
import { pieces } from './amounts.ts'
import type { QuotaEvaluator } from './evaluator.ts'
import { objectCountName } from './object-count.ts'

const TYPE = { group: '', resource: 'services' }
const COUNT = objectCountName(TYPE)
const ONE = pieces(1)
const NAMES = [COUNT, 'services', 'services.nodeports', 'services.loadbalancers']

/** How many node ports a Service has or is to be given. */
function nodePorts({ spec = {} }: Service): number {
  const ports = spec.ports ?? []
  if (spec.type === 'NodePort') return ports.length
  if (spec.type !== 'LoadBalancer') return 0
  if (spec.allocateLoadBalancerNodePorts !== false) return ports.length
  return ports.filter(({ nodePort }) => (nodePort ?? 0) !== 0).length
}

/** Services by number, node ports and load balancers; a change of type or ports can raise what one uses. */
export const SERVICE_EVALUATOR: QuotaEvaluator<Service> = {
  ...TYPE,
  counts: (name) => NAMES.includes(name),
  charges: (operation, subresource) => operation !== 'DELETE' && subresource === '',
  usage: (service) =>
    new Map([
      [COUNT, ONE],
      ['services', ONE],
      ['services.nodeports', pieces(nodePorts(service))],
      ['services.loadbalancers', pieces(service.spec?.type === 'LoadBalancer' ? 1 : 0)],
    ]),
  isIn: () => false,
}
