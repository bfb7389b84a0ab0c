import { ENDPOINT_SLICES, SERVICES } from '../../api/resource-type.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import { labelsFamily } from './label-labels.ts'
import { type Labels, numberOf, type StateKind, secondsOf } from './state-family.ts'

function own({ metadata }: Service): Labels {
  return { namespace: metadata?.namespace, service: metadata?.name, uid: metadata?.uid }
}

export const SERVICE_STATE: StateKind<Service> = {
  type: SERVICES,
  families: [
    {
      name: 'kube_service_info',
      type: 'gauge',
      help: 'Information about service.',
      write(service, emit) {
        const { spec } = service
        const { clusterIP: cluster_ip, externalName: external_name, loadBalancerIP: load_balancer_ip } = spec ?? {}
        emit({ ...own(service), cluster_ip, external_name, load_balancer_ip }, 1)
      },
    },
    numberOf('kube_service_created', 'Unix creation timestamp', own, ({ metadata }) =>
      secondsOf(metadata?.creationTimestamp),
    ),
    numberOf(
      'kube_service_spec_type',
      'Type about service.',
      (service) => ({ ...own(service), type: service.spec?.type }),
      () => 1,
    ),
    {
      name: 'kube_service_status_load_balancer_ingress',
      type: 'gauge',
      help: 'Service load balancer ingress status',
      mayRepeat: true,
      write(service, emit) {
        for (const { ip, hostname } of service.status?.loadBalancer?.ingress ?? [])
          emit({ ...own(service), ip, hostname }, 1)
      },
    },
    labelsFamily('service', own),
  ],
}

const READINESS = ['true', 'false'] as const

/** How many endpoints a slice has; kube-state-metrics' own family has a line for each address, which grows with pods. */
export const ENDPOINT_SLICE_STATE: StateKind<EndpointSlice> = {
  type: ENDPOINT_SLICES,
  families: [
    {
      name: 'kube_endpointslice_info',
      type: 'gauge',
      help: 'Information about endpointslice.',
      write({ metadata, addressType }, emit) {
        emit({ namespace: metadata?.namespace, endpointslice: metadata?.name, addresstype: addressType }, 1)
      },
    },
    {
      name: 'wherry_endpointslice_endpoints',
      type: 'gauge',
      help: 'Endpoints of an EndpointSlice by whether they are ready.',
      write({ metadata, endpoints = [] }, emit) {
        const service = metadata?.labels?.['kubernetes.io/service-name']
        for (const ready of READINESS) {
          const count = endpoints.filter(({ conditions }) => String(conditions?.ready !== false) === ready).length
          emit({ namespace: metadata?.namespace, endpointslice: metadata?.name, service, ready }, count)
        }
      },
    },
  ],
}
