import type { ResourceDefinition } from '../../../api/definition.ts'
import { StatusError } from '../../../api/status-error.ts'
import type { Node, Pod } from '../../../api/types/core-v1.gen.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import type { PodLogSource } from '../edge/pod-log-source.ts'
import type { Registry } from '../registry.ts'

const PASSED_ON = ['follow', 'previous', 'tailLines', 'sinceSeconds', 'sinceTime', 'timestamps', 'limitBytes'] as const

/** The container that is meant: the one named, or the pod's only one, or its default. */
export function containerOf(pod: Pod, asked: string | null): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {}
  const all = [...initContainers, ...containers, ...ephemeralContainers].map(({ name }) => name)
  const name = pod.metadata?.name
  if (asked !== null && asked !== '') {
    if (!all.includes(asked)) throw new StatusError('BadRequest', `container ${asked} is not valid for pod ${name}`)
    return asked
  }
  const byAnnotation = pod.metadata?.annotations?.['kubectl.kubernetes.io/default-container']
  if (byAnnotation !== undefined && all.includes(byAnnotation)) return byAnnotation
  if (containers.length === 1) return containers[0]!.name
  const init =
    initContainers.length > 0 ? ` or one of the init containers: [${initContainers.map((c) => c.name).join(' ')}]` : ''
  throw new StatusError(
    'BadRequest',
    `a container name must be specified for pod ${name}, choose one of: [${containers.map((c) => c.name).join(' ')}]${init}`,
  )
}

/** GET of `…/log`: streamed from the agent on the pod's node. */
export async function log(
  registry: Registry,
  request: CoreRequest,
  nodes: ResourceDefinition,
  source: PodLogSource,
): Promise<CoreResponse> {
  const { definition, info, query } = request
  const pod = (await registry.get(definition, info.namespace, info.name)).object as Pod
  const container = containerOf(pod, query.get('container'))
  const nodeName = pod.spec?.nodeName
  if (!nodeName) return { kind: 'stream', status: 200, contentType: 'text/plain', body: (async function* () {})() }
  const node = await registry.get(nodes, '', nodeName)
  const passed = new URLSearchParams()
  for (const name of PASSED_ON) {
    const value = query.get(name)
    if (value !== null) passed.set(name, value)
  }
  const path = `/containerLogs/${[info.namespace, info.name, container].map(encodeURIComponent).join('/')}?${passed}`
  const { status, body } = await source(node.object as Node, path, request.gone())
  if (status === 200) return { kind: 'stream', status, contentType: 'text/plain', body }
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  throw new StatusError(
    status === 404 ? 'NotFound' : 'BadRequest',
    Buffer.concat(chunks).toString().trim(),
    undefined,
    status,
  )
}
