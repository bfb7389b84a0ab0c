import { DEFINITIONS } from '../../api/definitions/all.ts'
import { labelMatcherOf } from '../../api/label-selector.ts'
import type { CrossVersionObjectReference, MetricSpec } from '../../api/types/autoscaling-v2.gen.ts'
import type { LabelSelector, Status } from '../../api/types/meta-v1.gen.ts'
import type { Clock, Millis } from '../../base/clock.ts'
import type { Transport } from '../../client/transport.ts'
import { MetricError } from './metric-error.ts'
import { itemsOf, milliOf, podUsageSamples, podValueSamples } from './metric-lists.ts'
import type { MetricReading } from './metric-reading.ts'

export interface MetricsClientOptions {
  readonly transport: Transport
  readonly clock: Clock
  /** Ends what is under way: nobody waits for an answer any longer. */
  readonly signal: AbortSignal
}

/** Reads what autoscalers go by from the standard metrics APIs, whoever serves them. */
export interface MetricsClient {
  /** Never rejects: what goes wrong is the reading. `selector` is the scaled pods', in its text form. */
  read(metric: MetricSpec, namespace: string, selector: string): Promise<MetricReading>
}

/** A metrics API that hangs must not hold an autoscaler for longer than until its next turn. */
const DEADLINE_MS: Millis = 10_000

const RESOURCE_METRICS = '/apis/metrics.k8s.io/v1beta1'
const CUSTOM_METRICS = '/apis/custom.metrics.k8s.io/v1beta2'
const EXTERNAL_METRICS = '/apis/external.metrics.k8s.io/v1beta1'

type Query = Readonly<Record<string, string>>

function selectorQuery(name: string, selector: LabelSelector | undefined): Query {
  const { text } = labelMatcherOf(selector)
  return text === '' ? {} : { [name]: text }
}

/** The plural that a kind is likely to have, for kinds that are not served here. */
function guessedResource(kind: string): string {
  const lower = kind.toLowerCase()
  if (/(s|x|ch|sh)$/.test(lower)) return `${lower}es`
  return /[^aeiou]y$/.test(lower) ? `${lower.slice(0, -1)}ies` : `${lower}s`
}

/** `services` or `ingresses.networking.k8s.io`, as the custom metrics API names what its metrics are about. */
export function describedResource({ apiVersion = '', kind }: CrossVersionObjectReference): string {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : ''
  const known = DEFINITIONS.find((definition) => definition.group === group && definition.kind === kind)
  const resource = known?.resource ?? guessedResource(kind)
  return group === '' ? resource : `${resource}.${group}`
}

function segments(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('')
}

const NOT_SERVED = 'the server could not find the requested resource'

/** An answer's error in the words people know: client-go adds what was asked for to an answer that says nothing. */
function refusal(status: number, body: unknown, what: string): string {
  const { message } = (body ?? {}) as Status
  if (status === 404 && (!message || message === NOT_SERVED)) return `${NOT_SERVED} (get ${what})`
  return message || `the server answered ${status}`
}

export function createMetricsClient({ transport, clock, signal }: MetricsClientOptions): MetricsClient {
  const get = async (api: string, path: string, query: Query, what: string): Promise<unknown> => {
    const abort = new AbortController()
    const late = Promise.withResolvers<never>()
    const giveUp = (why: string): void => {
      abort.abort()
      late.reject(new MetricError(why))
    }
    const onClose = (): void => giveUp('the autoscaler has been stopped')
    const timer = clock.setTimer(DEADLINE_MS, () => giveUp(`no answer within ${DEADLINE_MS / 1000} s`))
    signal.addEventListener('abort', onClose, { once: true })
    if (signal.aborted) onClose()
    try {
      const request = transport.request({ method: 'GET', path, query, signal: abort.signal })
      const { status, body } = await Promise.race([request, late.promise])
      if (status >= 400) throw new MetricError(refusal(status, body, what))
      return body
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new MetricError(`unable to fetch metrics from ${api} metrics API: ${why}`)
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', onClose)
    }
  }

  const usage = async (
    resource: string,
    container: string | undefined,
    namespace: string,
    selector: string,
  ): Promise<MetricReading> => {
    const path = `${RESOURCE_METRICS}/namespaces${segments(namespace, 'pods')}`
    const body = await get('resource', path, { labelSelector: selector }, 'pods.metrics.k8s.io')
    if (itemsOf(body).length === 0) throw new MetricError('no metrics returned from resource metrics API')
    return { kind: 'pods', samples: podUsageSamples(body, resource, container) }
  }

  const custom = (path: string, query: Query, what: string): Promise<unknown> =>
    get('custom', `${CUSTOM_METRICS}/namespaces${path}`, query, `${what}.custom.metrics.k8s.io`)

  const values = async (
    metric: { readonly name: string; readonly selector?: LabelSelector },
    namespace: string,
    selector: string,
  ): Promise<MetricReading> => {
    const path = `${segments(namespace, 'pods')}/*${segments(metric.name)}`
    const query = { labelSelector: selector, ...selectorQuery('metricLabelSelector', metric.selector) }
    const body = await custom(path, query, 'pods')
    if (itemsOf(body).length === 0) throw new MetricError('no metrics returned from custom metrics API')
    return { kind: 'pods', samples: podValueSamples(body) }
  }

  const objectValue = async (
    about: CrossVersionObjectReference,
    metric: { readonly name: string; readonly selector?: LabelSelector },
    namespace: string,
  ): Promise<MetricReading> => {
    const resource = describedResource(about)
    // A namespace's metrics are its own; the reference does not reach into others.
    const path =
      resource === 'namespaces'
        ? segments(namespace, 'metrics', metric.name)
        : segments(namespace, resource, about.name, metric.name)
    const items = itemsOf(await custom(path, selectorQuery('metricLabelSelector', metric.selector), resource))
    if (items.length !== 1) {
      const many = `the custom metrics API server returned ${items.length} results when we asked for exactly one`
      throw new MetricError(`unable to fetch metrics from custom metrics API: ${many}`)
    }
    const milli = milliOf(items[0]!.value)
    if (milli === undefined) throw new MetricError('the custom metrics API returned a value that is no quantity')
    return { kind: 'total', milli }
  }

  const external = async (
    metric: { readonly name: string; readonly selector?: LabelSelector },
    namespace: string,
  ): Promise<MetricReading> => {
    const path = `${EXTERNAL_METRICS}/namespaces${segments(namespace, metric.name)}`
    const query = selectorQuery('labelSelector', metric.selector)
    const items = itemsOf(await get('external', path, query, `${metric.name}.external.metrics.k8s.io`))
    if (items.length === 0) throw new MetricError('no metrics returned from external metrics API')
    const found = items.map(({ value }) => milliOf(value))
    if (found.includes(undefined))
      throw new MetricError('the external metrics API returned a value that is no quantity')
    return { kind: 'total', milli: found.reduce<number>((sum, milli) => sum + milli!, 0) }
  }

  const reading = async (metric: MetricSpec, namespace: string, selector: string): Promise<MetricReading> => {
    switch (metric.type) {
      case 'Resource':
        return usage(metric.resource!.name, undefined, namespace, selector)
      case 'ContainerResource': {
        const { name, container } = metric.containerResource!
        return usage(name, container, namespace, selector)
      }
      case 'Pods':
        return values(metric.pods!.metric, namespace, selector)
      case 'Object':
        return objectValue(metric.object!.describedObject, metric.object!.metric, namespace)
      case 'External':
        return external(metric.external!.metric, namespace)
      default:
        throw new MetricError(`unknown metric source type "${metric.type}"`)
    }
  }

  return {
    async read(metric, namespace, selector) {
      try {
        return await reading(metric, namespace, selector)
      } catch (error) {
        return { kind: 'failed', why: error instanceof Error ? error.message : String(error) }
      }
    },
  }
}
