/**
 * How proxies are found: each lists its admin server in an EndpointSlice of its own,
 * `kube-system/wherry-proxy-<lease name>`, of the headless Service `kube-system/wherry-proxy`. Prometheus discovers them
 * like any endpoint; the metrics APIs read `/mesh` there.
 */
export const PROXY_SERVICE = { namespace: 'kube-system', name: 'wherry-proxy' } as const
export const PROXY_SLICE_PREFIX = 'wherry-proxy-'
/** The port's name in Service and slices: HTTPS. */
export const PROXY_ADMIN_PORT_NAME = 'metrics'
/** kube-proxy's own for metrics; a proxy whose machine has it taken lists another one. */
export const PROXY_ADMIN_PORT = 10_249
