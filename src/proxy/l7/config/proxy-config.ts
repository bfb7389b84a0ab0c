import type { Algorithm } from '../../balance/algorithms.ts'
import type { SlowStart } from '../../balance/slow-start.ts'
import type { Backoff } from '../../resilience/backoff.ts'
import type { CircuitLimits } from '../../resilience/circuit-breaker.ts'
import type { OutlierDetectionOptions } from '../../resilience/outlier-detection.ts'
import type { RetryBudgetOptions } from '../../resilience/retry-budget.ts'
import type { KeySource } from '../engine/request-key.ts'
import type { EndpointOptions } from '../engine/upstream.ts'
import type { UpstreamTimeouts } from '../engine/upstream-timeouts.ts'
import type { UpstreamProtocol } from '../engine/upstream-transport.ts'
import type { LoadProberOptions } from '../probing/load-prober.ts'
import type { ProxyProtocolVersion } from '../proxy-protocol/write-proxy-header.ts'
import type { RouteRule } from '../routes/route-rule.ts'
import type { TlsOptions } from '../tls/tls-options.ts'

/** What a proxy without a cluster does. Plain data: it goes to workers as JSON, and is compared to see what changed. */
export interface ProxyConfig {
  readonly listeners: readonly ListenerConfig[]
  readonly backends: readonly BackendConfig[]
  readonly routes: readonly RouteConfig[]
  readonly accessLog?: AccessLogConfig
}

export interface ListenerConfig {
  readonly name: string
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** `passthrough`: it ends at the endpoints, and connections are routed by the server name they ask for. */
  readonly tls?: 'passthrough' | Pick<TlsOptions, 'certificates' | 'minVersion'>
  /** Connections begin with a PROXY protocol header. Default `off`. */
  readonly proxyProtocol?: 'off' | 'required'
  /** Clients may speak HTTP/2. Default true. */
  readonly http2?: boolean
}

export interface RouteConfig extends RouteRule {
  /** Names of the listeners it holds for. Default: all that do not pass TLS on. */
  readonly listeners?: readonly string[]
}

export interface BackendConfig {
  readonly name: string
  readonly endpoints: readonly EndpointOptions[]
  readonly algorithm: Algorithm
  readonly key?: KeySource
  readonly sticky?: StickyConfig
  readonly slowStart?: SlowStart
  readonly zone?: string
  readonly panicThreshold?: number
  readonly timeouts?: Partial<UpstreamTimeouts>
  readonly retries?: RetriesConfig
  /** `false`: nothing is ever ejected. Default: Envoy's. */
  readonly outlierDetection?: OutlierDetectionOptions | false
  readonly limits?: CircuitLimits
  /** Connections are encrypted. */
  readonly tls?: BackendTlsConfig
  /** Connections begin with such a header and are each for one client's connection. */
  readonly proxyProtocol?: ProxyProtocolVersion
  /** What endpoints speak: `http1`, `h2c` (HTTP/2 without TLS), `h2` or, chosen over TLS, `auto`. Default `http1`. */
  readonly protocol?: UpstreamProtocol
  /** For `prequal`: endpoints are asked for their load. Default: the proxy goes by what it sees itself. */
  readonly probe?: ProbeConfig
}

export type ProbeConfig = Pick<LoadProberOptions, 'path' | 'perRequest' | 'perSecond' | 'timeoutMs'>

/** Files are read when the configuration takes effect, and again when they change. */
export interface BackendTlsConfig {
  /** PEM certificates of the authorities to trust. Default: those that Node.js brings. */
  readonly caFile?: string
  /** Asked for and looked for in the certificate. Default: the endpoint's address. */
  readonly serverName?: string
  /** What the proxy shows of itself; both or neither. */
  readonly certificateFile?: string
  readonly keyFile?: string
  /** Default true. */
  readonly verifies?: boolean
}

export interface StickyConfig {
  readonly by: 'cookie' | 'header'
  readonly name: string
  readonly path?: string
  readonly maxAgeMs?: number
  /** Default: one that lasts as long as the proxy runs. */
  readonly secret?: string
}

export interface RetriesConfig {
  /** Beside the first try. */
  readonly max?: number
  /** For one try until its response begins. */
  readonly perTryMs?: number
  /** Answers that are tried again where the method is idempotent: 5xx. Default: none. */
  readonly statuses?: readonly number[]
  readonly backoff?: Backoff
  readonly budget?: RetryBudgetOptions
}

export interface AccessLogConfig {
  /** `-`: standard output. */
  readonly file: string
  /** Part of the requests, 0 to 1; those that fail by the proxy's own judgement are always written. */
  readonly sample: number
}
