import type { ResourceDefinition } from '../../../api/definition.ts'
import { StatusError } from '../../../api/status-error.ts'
import type { Node, Pod } from '../../../api/types/core-v1.gen.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import type { PodStreamSource } from '../edge/pod-stream-source.ts'
import { flag } from '../query-values.ts'
import type { Registry } from '../registry.ts'
import { containerOf } from './log.ts'

/** What the node API calls the streams that the API's options name. */
const STREAMS = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' } as const

function segments(...parts: readonly string[]): string {
  return parts.map(encodeURIComponent).join('/')
}

function commandPath(kind: 'exec' | 'attach', pod: Pod, query: URLSearchParams): string {
  const { namespace = '', name = '' } = pod.metadata ?? {}
  const container = containerOf(pod, query.get('container'))
  const passed = new URLSearchParams()
  for (const [option, stream] of Object.entries(STREAMS)) if (flag(query, option) === true) passed.set(stream, '1')
  if (kind === 'exec') for (const word of query.getAll('command')) passed.append('command', word)
  return `/${kind}/${segments(namespace, name, container)}?${passed}`
}

function portForwardPath(pod: Pod, query: URLSearchParams): string {
  const { namespace = '', name = '' } = pod.metadata ?? {}
  const passed = new URLSearchParams()
  for (const ports of query.getAll('ports')) for (const port of ports.split(',')) passed.append('port', port)
  return `/portForward/${segments(namespace, name)}?${passed}`
}

/** `…/exec`, `…/attach` and `…/portforward`: the client is joined with the agent on the pod's node, which speaks the protocol. */
export async function connect(
  registry: Registry,
  request: CoreRequest,
  nodes: ResourceDefinition,
  source: PodStreamSource,
): Promise<CoreResponse> {
  const { definition, info, query, upgrade } = request
  if (upgrade === undefined) throw new StatusError('BadRequest', 'Upgrade request required')
  const pod = (await registry.get(definition, info.namespace, info.name)).object as Pod
  const phase = pod.status?.phase
  if (phase === 'Succeeded' || phase === 'Failed')
    throw new StatusError('BadRequest', `cannot ${info.subresource} into a completed pod; current phase is ${phase}`)
  const nodeName = pod.spec?.nodeName
  if (!nodeName) throw new StatusError('BadRequest', `pod ${info.name} does not have a host assigned`)
  const path =
    info.subresource === 'portforward'
      ? portForwardPath(pod, query)
      : commandPath(info.subresource as 'exec' | 'attach', pod, query)
  const node = (await registry.get(nodes, '', nodeName)).object as Node
  return { kind: 'tunnel', ...(await source(node, path, upgrade, request.gone())) }
}
