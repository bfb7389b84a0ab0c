import { duplicate, type FieldError, invalid, notSupported, required } from '../../field-error.ts'
import { portNameErrors, portNumberErrors } from '../../names.ts'
import type { Container, ContainerPort } from '../../types/core-v1.gen.ts'

const PROTOCOLS = ['SCTP', 'TCP', 'UDP']

/** Findings on a container's ports. */
export function validateContainerPorts(
  ports: readonly ContainerPort[],
  path: string,
  hostNetwork: boolean,
): readonly FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const at = `${path}[${i}]`
    if (port.name) {
      for (const text of portNameErrors(port.name)) errors.push(invalid(`${at}.name`, port.name, text))
      if (names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name))
      names.add(port.name)
    }
    if (!port.containerPort) errors.push(required(`${at}.containerPort`))
    else
      for (const text of portNumberErrors(port.containerPort))
        errors.push(invalid(`${at}.containerPort`, port.containerPort, text))
    if (port.hostPort) {
      for (const text of portNumberErrors(port.hostPort)) errors.push(invalid(`${at}.hostPort`, port.hostPort, text))
    }
    if (hostNetwork && port.hostPort !== port.containerPort)
      errors.push(
        invalid(`${at}.containerPort`, port.containerPort, 'must match `hostPort` when `hostNetwork` is true'),
      )
    if (!port.protocol) errors.push(required(`${at}.protocol`))
    else if (!PROTOCOLS.includes(port.protocol)) errors.push(notSupported(`${at}.protocol`, port.protocol, PROTOCOLS))
  }
  return errors
}

/** Findings on host ports that two of these containers, which run at the same time, would both take. */
export function validateHostPorts(containers: readonly Container[], path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const taken = new Set<string>()
  for (const [i, container] of containers.entries()) {
    for (const [j, { hostPort, hostIP = '', protocol }] of (container.ports ?? []).entries()) {
      if (!hostPort) continue
      const identity = `${protocol}/${hostIP}/${hostPort}`
      if (taken.has(identity)) errors.push(duplicate(`${path}[${i}].ports[${j}].hostPort`, identity))
      taken.add(identity)
    }
  }
  return errors
}
