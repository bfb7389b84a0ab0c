import { DEFAULT_DOCKER_HOST, type RuntimeSpec } from '../runtime-spec.ts'
import { UserError } from '../user-error.ts'
import type { ClusterRecord } from './cluster-record.ts'

export interface RuntimeFlags {
  readonly runtime?: RuntimeSpec['kind']
  readonly dockerHost?: string
}

/**
 * The runtime a cluster starts with: the one asked for, or the one it has. A cluster keeps its runtime: its pods' and
 * Services' addresses have another range on Docker than as processes. Throws UserError.
 */
export function chooseRuntime(
  asked: RuntimeFlags,
  recorded: Pick<ClusterRecord, 'runtime' | 'dockerHost'> | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): RuntimeSpec {
  const before = recorded === undefined ? undefined : (recorded.runtime ?? 'process')
  const kind = asked.runtime ?? before ?? 'process'
  if (before !== undefined && before !== kind)
    throw new UserError(
      `this cluster runs its containers with the ${before} runtime, and its Services have addresses that go with it`,
      `leave out --runtime ${kind}, or start a new cluster with another --name or --data-dir`,
    )
  if (kind === 'process') {
    if (asked.dockerHost !== undefined)
      throw new UserError('--docker-host says nothing to the process runtime', 'add --runtime docker')
    return { kind }
  }
  const fromEnvironment = environment.DOCKER_HOST === '' ? undefined : environment.DOCKER_HOST
  return { kind, host: asked.dockerHost ?? recorded?.dockerHost ?? fromEnvironment ?? DEFAULT_DOCKER_HOST }
}
