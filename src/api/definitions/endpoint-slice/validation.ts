import { isIPv4, isIPv6 } from 'node:net'
import { duplicate, type FieldError, invalid, notSupported, required, tooMany } from '../../field-error.ts'
import {
  dns1123LabelErrors,
  dns1123SubdomainErrors,
  labelValueErrors,
  portNumberErrors,
  qualifiedNameErrors,
} from '../../names.ts'
import type { Endpoint, EndpointPort, EndpointSlice } from '../../types/discovery-v1.gen.ts'
import type { ObjectMeta } from '../../types/meta-v1.gen.ts'
import { immutableField } from '../immutable-field.ts'
import { trafficAddressErrors } from '../traffic-address.ts'

const TYPES = ['FQDN', 'IPv4', 'IPv6']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const ENDPOINTS_MAX = 1_000
const ADDRESSES_MAX = 100
const PORTS_MAX = 20_000
const TOPOLOGY_MAX = 16
const HINTS_MAX = 8

function addressErrors(address: string, type: string, meta: ObjectMeta | undefined): readonly string[] {
  if (type === 'FQDN') return dns1123SubdomainErrors(address)
  const errors = trafficAddressErrors(address, meta)
  if (errors.length > 0) return errors
  if (type === 'IPv4' && !isIPv4(address)) return ['must be an IPv4 address']
  return type === 'IPv6' && !isIPv6(address) ? ['must be an IPv6 address'] : []
}

function validateEndpoint(endpoint: Endpoint, path: string, slice: EndpointSlice): readonly FieldError[] {
  const errors: FieldError[] = []
  const addresses = endpoint.addresses ?? []
  if (addresses.length === 0) errors.push(required(`${path}.addresses`, 'must contain at least 1 address'))
  if (addresses.length > ADDRESSES_MAX) errors.push(tooMany(`${path}.addresses`, addresses.length, ADDRESSES_MAX))
  for (const [i, address] of addresses.entries())
    for (const text of addressErrors(address, slice.addressType, slice.metadata))
      errors.push(invalid(`${path}.addresses[${i}]`, address, text))
  if (endpoint.nodeName !== undefined)
    for (const text of dns1123SubdomainErrors(endpoint.nodeName))
      errors.push(invalid(`${path}.nodeName`, endpoint.nodeName, text))
  const topology = Object.entries(endpoint.deprecatedTopology ?? {})
  if (topology.length > TOPOLOGY_MAX) errors.push(tooMany(`${path}.deprecatedTopology`, topology.length, TOPOLOGY_MAX))
  for (const [key, value] of topology)
    for (const text of labelValueErrors(value)) errors.push(invalid(`${path}.deprecatedTopology[${key}]`, value, text))
  if (endpoint.hostname !== undefined)
    for (const text of dns1123LabelErrors(endpoint.hostname))
      errors.push(invalid(`${path}.hostname`, endpoint.hostname, text))
  return [...errors, ...validateHints(endpoint, path)]
}

function validateHints({ hints }: Endpoint, path: string): readonly FieldError[] {
  return (['forZones', 'forNodes'] as const).flatMap((field) => {
    const list = hints?.[field] ?? []
    const at = `${path}.hints.${field}`
    if (list.length > HINTS_MAX) return [tooMany(at, list.length, HINTS_MAX)]
    const seen = new Set<string>()
    return list.flatMap(({ name = '' }, i) => {
      const errors = (field === 'forZones' ? labelValueErrors(name) : dns1123SubdomainErrors(name)).map((text) =>
        invalid(`${at}[${i}].name`, name, text),
      )
      if (seen.has(name)) errors.push(duplicate(`${at}[${i}].name`, name))
      seen.add(name)
      return errors
    })
  })
}

function validatePorts(ports: readonly EndpointPort[]): readonly FieldError[] {
  if (ports.length > PORTS_MAX) return [tooMany('ports', ports.length, PORTS_MAX)]
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [i, { name = '', protocol, port, appProtocol }] of ports.entries()) {
    const at = `ports[${i}]`
    if (name !== '') for (const text of dns1123LabelErrors(name)) errors.push(invalid(`${at}.name`, name, text))
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name))
    names.add(name)
    if (!protocol) errors.push(required(`${at}.protocol`))
    else if (!PROTOCOLS.includes(protocol)) errors.push(notSupported(`${at}.protocol`, protocol, PROTOCOLS))
    if (port !== undefined) for (const text of portNumberErrors(port)) errors.push(invalid(`${at}.port`, port, text))
    if (appProtocol)
      for (const text of qualifiedNameErrors(appProtocol)) errors.push(invalid(`${at}.appProtocol`, appProtocol, text))
  }
  return errors
}

export function validateEndpointSlice(slice: EndpointSlice): readonly FieldError[] {
  const { addressType: type, endpoints = [], ports = [] } = slice
  const errors: FieldError[] = []
  if (!type) errors.push(required('addressType'))
  else if (!TYPES.includes(type)) errors.push(notSupported('addressType', type, TYPES))
  if (endpoints.length > ENDPOINTS_MAX) errors.push(tooMany('endpoints', endpoints.length, ENDPOINTS_MAX))
  else
    for (const [i, endpoint] of endpoints.entries())
      errors.push(...validateEndpoint(endpoint, `endpoints[${i}]`, slice))
  return [...errors, ...validatePorts(ports)]
}

export function validateEndpointSliceUpdate(next: EndpointSlice, previous: EndpointSlice): readonly FieldError[] {
  return immutableField(next.addressType, previous.addressType, 'addressType')
}
