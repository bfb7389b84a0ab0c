import { isIPv6 } from 'node:net'
import type { ResourceDefinition } from '../definition.ts'
import { type FieldError, invalid, notSupported, required } from '../field-error.ts'
import { dns1123LabelErrors, dns1123SubdomainErrors, portNumberErrors, qualifiedNameErrors } from '../names.ts'
import type { Draft } from '../object.ts'
import type { EndpointAddress, EndpointPort, Endpoints } from '../types/core-v1.gen.ts'
import type { ObjectMeta } from '../types/meta-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from './name-and-age-columns.ts'
import { trafficAddressErrors } from './traffic-address.ts'
import { ALL_VERBS } from './verbs.ts'

const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const SHOWN_MAX = 3

function setDefaults(draft: Draft<Endpoints>): void {
  for (const subset of draft.subsets ?? [])
    for (const port of subset.ports ?? []) if (!port.protocol) port.protocol = 'TCP'
}

function validateAddress(address: EndpointAddress, path: string, meta: ObjectMeta | undefined): readonly FieldError[] {
  const ip = address.ip ?? ''
  const errors = trafficAddressErrors(ip, meta).map((text) => invalid(`${path}.ip`, ip, text))
  if (address.hostname)
    for (const text of dns1123LabelErrors(address.hostname))
      errors.push(invalid(`${path}.hostname`, address.hostname, text))
  if (address.nodeName !== undefined)
    for (const text of dns1123SubdomainErrors(address.nodeName))
      errors.push(invalid(`${path}.nodeName`, address.nodeName, text))
  return errors
}

function validatePort(port: EndpointPort, path: string, nameRequired: boolean): readonly FieldError[] {
  const errors: FieldError[] = []
  if (nameRequired && !port.name) errors.push(required(`${path}.name`))
  if (port.name) for (const text of dns1123LabelErrors(port.name)) errors.push(invalid(`${path}.name`, port.name, text))
  for (const text of portNumberErrors(port.port)) errors.push(invalid(`${path}.port`, port.port, text))
  if (!port.protocol) errors.push(required(`${path}.protocol`))
  else if (!PROTOCOLS.includes(port.protocol)) errors.push(notSupported(`${path}.protocol`, port.protocol, PROTOCOLS))
  if (port.appProtocol)
    for (const text of qualifiedNameErrors(port.appProtocol))
      errors.push(invalid(`${path}.appProtocol`, port.appProtocol, text))
  return errors
}

function validateEndpoints(endpoints: Endpoints): readonly FieldError[] {
  return (endpoints.subsets ?? []).flatMap((subset, i) => {
    const at = `subsets[${i}]`
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset
    return [
      ...(addresses.length + notReadyAddresses.length === 0
        ? [required(at, 'must specify `addresses` or `notReadyAddresses`')]
        : []),
      ...addresses.flatMap((address, j) => validateAddress(address, `${at}.addresses[${j}]`, endpoints.metadata)),
      ...notReadyAddresses.flatMap((address, j) =>
        validateAddress(address, `${at}.notReadyAddresses[${j}]`, endpoints.metadata),
      ),
      ...ports.flatMap((port, j) => validatePort(port, `${at}.ports[${j}]`, ports.length > 1)),
    ]
  })
}

/** The first three, and how many more there are. */
function shownEndpoints(endpoints: Endpoints): string {
  if (!endpoints.subsets?.length) return '<none>'
  const all = endpoints.subsets.flatMap(({ addresses = [], ports = [] }) => {
    if (ports.length === 0) return addresses.map(({ ip }) => ip)
    return ports.flatMap(({ port }) => addresses.map(({ ip }) => `${isIPv6(ip) ? `[${ip}]` : ip}:${port}`))
  })
  const shown = all.slice(0, SHOWN_MAX).join(',')
  return all.length > SHOWN_MAX ? `${shown} + ${all.length - SHOWN_MAX} more...` : shown
}

export const ENDPOINTS_DEFINITION: ResourceDefinition<Endpoints> = {
  group: '',
  version: 'v1',
  resource: 'endpoints',
  singular: 'endpoints',
  kind: 'Endpoints',
  listKind: 'EndpointsList',
  namespaced: true,
  shortNames: ['ep'],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.Endpoints',
  storagePrefix: '/registry/services/endpoints',
  nameKind: 'subdomain',
  allowCreateOnUpdate: true,
  defaults: setDefaults,
  prepareForCreate() {},
  prepareForUpdate() {},
  validate: validateEndpoints,
  validateUpdate: () => [],
  warnings: () => ['v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    { name: 'Endpoints', type: 'string', description: 'Addresses that are ready.', cell: shownEndpoints },
    AGE_COLUMN,
  ],
  otherSubresources: [],
}
