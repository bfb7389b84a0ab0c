/** The parts of `namespace/name:port name`, as labels. */
export function servicePortLabels(servicePort: string): {
  readonly namespace: string
  readonly service: string
  readonly port: string
} {
  const slash = servicePort.indexOf('/')
  const colon = servicePort.lastIndexOf(':')
  return {
    namespace: servicePort.slice(0, slash),
    service: servicePort.slice(slash + 1, colon),
    port: servicePort.slice(colon + 1),
  }
}
