import type { TableColumn } from '../../definition.ts'
import { matcherOfMap } from '../../label-selector.ts'
import type { Service } from '../../types/core-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from '../name-and-age-columns.ts'

/** What of the outside reaches the Service; a load balancer without an address is `<pending>`. */
function externalIpOf({ spec = {}, status }: Service): string {
  if (spec.type === 'ExternalName') return spec.externalName ?? ''
  const given = spec.externalIPs ?? []
  if (spec.type !== 'LoadBalancer') return given.length === 0 ? '<none>' : given.join(',')
  const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '')
  const all = [...new Set(ingress.filter((address) => address !== ''))].sort().concat(given)
  return all.length === 0 ? '<pending>' : all.join(',')
}

function portsOf({ spec = {} }: Service): string {
  const ports = spec.ports ?? []
  if (ports.length === 0) return '<none>'
  return ports
    .map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol ?? 'TCP'}`)
    .join(',')
}

export const SERVICE_COLUMNS: readonly TableColumn<Service>[] = [
  NAME_COLUMN,
  {
    name: 'Type',
    type: 'string',
    description: 'How the Service is reached.',
    cell: (service) => service.spec?.type ?? '',
  },
  {
    name: 'Cluster-IP',
    type: 'string',
    description: 'Its address inside the cluster; None for a headless Service.',
    cell: (service) => service.spec?.clusterIP || '<none>',
  },
  {
    name: 'External-IP',
    type: 'string',
    description: 'Its addresses outside the cluster.',
    cell: externalIpOf,
  },
  { name: 'Port(s)', type: 'string', description: 'Ports, with node ports behind a colon.', cell: portsOf },
  AGE_COLUMN,
  {
    name: 'Selector',
    type: 'string',
    priority: 1,
    description: 'Labels of the pods that serve it.',
    cell: (service) => matcherOfMap(service.spec?.selector ?? {}).text || '<none>',
  },
]
