import { splitKey } from '../../api/object.ts'

export interface HealthCheckAnswer {
  readonly status: 200 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What kube-proxy answers a load balancer at a Service's `healthCheckNodePort`: 503 without ready endpoints on the node. */
export function healthCheckAnswer(service: string, localEndpoints: number): HealthCheckAnswer {
  const { namespace = '', name } = splitKey(service)
  return {
    status: localEndpoints > 0 ? 200 : 503,
    headers: {
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
      'x-load-balancing-endpoint-weight': String(localEndpoints),
    },
    body: JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true }),
  }
}
