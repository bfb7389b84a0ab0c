import type { Node } from '../../../api/types/core-v1.gen.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import type { PodLogSource } from '../edge/pod-log-source.ts'
import { pathNotFound } from '../refusals.ts'
import type { Registry } from '../registry.ts'
import type { ResourceInfo } from '../request-info.ts'

/** As Prometheus names its text format. */
const SERIES = 'text/plain; version=0.0.4; charset=utf-8'
const TIMEOUT_MS = 30_000

/**
 * What of a node's API may be read through the API server: these documents and nothing else, whatever a node would
 * answer. Each with its type, since what a node says of that is not passed on, and the right that is enough for it.
 */
const DOCUMENTS: ReadonlyMap<string, { readonly contentType: string; readonly right: 'stats' | 'metrics' }> = new Map([
  ['stats/summary', { contentType: 'application/json', right: 'stats' }],
  ['metrics', { contentType: SERIES, right: 'metrics' }],
  ['metrics/cadvisor', { contentType: SERIES, right: 'metrics' }],
  ['metrics/probes', { contentType: SERIES, right: 'metrics' }],
  ['metrics/resource', { contentType: SERIES, right: 'metrics' }],
])

/**
 * The right beside `nodes/proxy` that is enough to read this document, `nodes/stats` or `nodes/metrics` (KEP-2862);
 * undefined for everything else.
 */
export function narrowerRight(info: ResourceInfo): ResourceInfo | undefined {
  const right = info.verb === 'get' && info.rest !== undefined ? DOCUMENTS.get(info.rest)?.right : undefined
  return right === undefined ? undefined : { ...info, subresource: right }
}

/** GET of `nodes/<name>/proxy/<document>`: streamed from the node's agent. */
export async function proxyNode(registry: Registry, request: CoreRequest, source: PodLogSource): Promise<CoreResponse> {
  const { definition, info } = request
  const document = DOCUMENTS.get(info.rest ?? '')
  if (document === undefined) throw pathNotFound()
  const node = await registry.get(definition, '', info.name)
  const signal = AbortSignal.any([request.gone(), AbortSignal.timeout(TIMEOUT_MS)])
  const { status, body } = await source(node.object as Node, `/${info.rest}`, signal)
  return { kind: 'stream', status, contentType: status === 200 ? document.contentType : 'text/plain', body }
}
