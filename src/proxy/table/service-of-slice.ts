import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

/** `namespace/name` of the Service a slice belongs to; `namespace/` when it names none. */
export function serviceOfSlice(slice: EndpointSlice): string {
  return `${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.[SERVICE_NAME_LABEL] ?? ''}`
}
