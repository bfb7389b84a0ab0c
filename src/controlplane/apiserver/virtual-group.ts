import type { ResourceDefinition } from '../../api/definition.ts'
import type { MetricsGroup } from '../../api/discovery/metrics-group.ts'
import type { CoreResponse } from './core-request.ts'
import { methodNotAllowed, pathNotFound } from './refusals.ts'
import type { ResourceInfo } from './request-info.ts'

/** A group of the API whose paths name metrics. Whatever stands below `namespaces/<name>/` in it is namespaced. */
export interface VirtualGroup extends MetricsGroup {
  /** Stands for all of its resources where a definition is needed. */
  readonly definition: ResourceDefinition
  /** The value that a GET of such a path answers with. Throws StatusError. */
  answer(info: ResourceInfo, query: URLSearchParams): Promise<unknown>
}

export async function answerGroup(
  group: VirtualGroup,
  info: ResourceInfo,
  query: URLSearchParams,
): Promise<CoreResponse> {
  if (!group.versions.includes(info.version)) throw pathNotFound()
  if (info.verb !== 'get' && info.verb !== 'list') throw methodNotAllowed()
  return { kind: 'value', status: 200, value: await group.answer(info, query) }
}
