import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { dns1123LabelErrors, portNameErrors, portNumberErrors, qualifiedNameErrors } from '../../names.ts'
import type { Service, ServicePort } from '../../types/core-v1.gen.ts'

const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
/** Where agents' node APIs listen. */
const KUBELET_PORT = 10_250

function validatePort(port: ServicePort, path: string, nameRequired: boolean): readonly FieldError[] {
  const errors: FieldError[] = []
  if (!port.name) {
    if (nameRequired) errors.push(required(`${path}.name`))
  } else for (const text of dns1123LabelErrors(port.name)) errors.push(invalid(`${path}.name`, port.name, text))
  for (const text of portNumberErrors(port.port)) errors.push(invalid(`${path}.port`, port.port ?? 0, text))
  if (!port.protocol) errors.push(required(`${path}.protocol`))
  else if (!PROTOCOLS.includes(port.protocol)) errors.push(notSupported(`${path}.protocol`, port.protocol, PROTOCOLS))
  const target = port.targetPort ?? 0
  const targetErrors = typeof target === 'number' ? portNumberErrors(target) : portNameErrors(target)
  for (const text of targetErrors) errors.push(invalid(`${path}.targetPort`, target, text))
  if (port.appProtocol)
    for (const text of qualifiedNameErrors(port.appProtocol))
      errors.push(invalid(`${path}.appProtocol`, port.appProtocol, text))
  return errors
}

function validateDuplicates(ports: readonly ServicePort[]): readonly FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  const numbers = new Set<string>()
  const nodePorts = new Set<string>()
  for (const [i, { name, protocol, port, nodePort }] of ports.entries()) {
    const path = `spec.ports[${i}]`
    if (name && names.has(name)) errors.push(duplicate(`${path}.name`, name))
    if (name) names.add(name)
    const number = `${protocol}/${port}`
    if (numbers.has(number)) errors.push(duplicate(path, { protocol, port }))
    numbers.add(number)
    if (!nodePort) continue
    const node = `${protocol}/${nodePort}`
    if (nodePorts.has(node)) errors.push(duplicate(`${path}.nodePort`, nodePort))
    nodePorts.add(node)
  }
  return errors
}

/** Findings on `spec.ports`. */
export function validateServicePorts({ spec = {} }: Service): readonly FieldError[] {
  const ports = spec.ports ?? []
  const headless = spec.clusterIP === 'None'
  const errors: FieldError[] = []
  if (ports.length === 0 && !headless && spec.type !== 'ExternalName') errors.push(required('spec.ports'))
  for (const [i, port] of ports.entries()) {
    const path = `spec.ports[${i}]`
    errors.push(...validatePort(port, path, ports.length > 1))
    if (spec.type === 'LoadBalancer' && port.port === KUBELET_PORT) {
      const text = `may not expose port ${KUBELET_PORT} externally since it is used by kubelet`
      errors.push(invalid(`${path}.port`, port.port, text))
    }
    if (!port.nodePort) continue
    if (spec.type === 'ClusterIP')
      errors.push(forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"))
    else if (spec.type === 'ExternalName')
      errors.push(forbidden(`${path}.nodePort`, "may not be used when `type` is 'ExternalName'"))
    else
      for (const text of portNumberErrors(port.nodePort)) errors.push(invalid(`${path}.nodePort`, port.nodePort, text))
  }
  return [...errors, ...validateDuplicates(ports)]
}
