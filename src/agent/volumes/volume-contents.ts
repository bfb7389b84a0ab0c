import type {
  ConfigMap,
  Pod,
  Secret,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../api/types/core-v1.gen.ts'
import type { PodAddressing } from '../pod/field-ref.ts'
import { downwardFiles } from './downward-files.ts'
import { checkFilePath, pathNames } from './file-path.ts'
import type { FileSources } from './file-sources.ts'
import { configMapEntries, keyFiles, secretEntries } from './key-files.ts'
import type { VolumeFile, VolumeFiles } from './volume-file.ts'
import { VolumeError } from './volume-manager.ts'

export interface VolumeInput {
  readonly pod: Pod
  readonly addressing: PodAddressing
  /** The node's, for limits that are not set. */
  readonly allocatable: Readonly<Record<string, string>>
  /** In the pod's namespace; undefined when there is none of this name. */
  configMap(name: string): ConfigMap | undefined
  secret(name: string): Secret | undefined
  /** The token asked for by this projection. */
  token(projection: ServiceAccountTokenProjection): string
}

/** Only its owner may read a token that is owned by the one user all containers run as. */
const OWN_TOKEN_MODE = 0o600
/** What the volume's group may always do. */
const GROUP_READS = 0o440

/**
 * The files of a configMap, secret, downwardAPI or projected volume. Pure. Of two sources with the same path the later
 * one counts. Throws VolumeError when something that is not optional is missing, for a path that would lead out of the
 * volume and for a file that stands where another path needs a directory.
 */
export function volumeContents({ sources, defaultMode }: FileSources, input: VolumeInput): VolumeFiles {
  const files = new Map<string, VolumeFile>()
  const hasGroup = input.pod.spec?.securityContext?.fsGroup !== undefined
  for (const source of sources) {
    for (const [path, file] of sourceFiles(source, defaultMode, input)) {
      checkFilePath(path)
      files.set(pathNames(path).join('/'), hasGroup ? { ...file, mode: file.mode | GROUP_READS } : file)
    }
  }
  for (const path of files.keys()) {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const above = path.slice(0, slash)
      if (files.has(above)) throw new VolumeError(`path ${above} is both a file and the directory of ${path}`)
    }
  }
  return files
}

function sourceFiles(
  source: VolumeProjection,
  defaultMode: number,
  input: VolumeInput,
): readonly (readonly [string, VolumeFile])[] {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source
  if (configMap !== undefined) {
    const { name = '', items, optional = false } = configMap
    const found = input.configMap(name)
    if (found === undefined && !optional) throw new VolumeError(`configmap "${name}" not found`)
    const missing = 'configmap references non-existent config key'
    return found === undefined ? [] : keyFiles(configMapEntries(found), { items, optional, defaultMode, missing })
  }
  if (secret !== undefined) {
    const { name = '', items, optional = false } = secret
    const found = input.secret(name)
    if (found === undefined && !optional) throw new VolumeError(`secret "${name}" not found`)
    const missing = 'references non-existent secret key'
    return found === undefined ? [] : keyFiles(secretEntries(found), { items, optional, defaultMode, missing })
  }
  if (downwardAPI !== undefined)
    return downwardFiles(input.pod, downwardAPI.items ?? [], input.addressing, input.allocatable, defaultMode)
  if (serviceAccountToken !== undefined) {
    const bytes = Buffer.from(input.token(serviceAccountToken))
    const uid = commonUser(input.pod)
    const file = uid === undefined ? { bytes, mode: defaultMode } : { bytes, mode: OWN_TOKEN_MODE, uid }
    return [[serviceAccountToken.path, file]]
  }
  const kind = Object.keys(source)[0] ?? 'nothing'
  throw new VolumeError(
    `projected source ${kind} is not supported here; possible are configMap, secret, downwardAPI and serviceAccountToken`,
  )
}

/** The user that every container of the pod is told to run as; undefined when they differ or none is named. */
function commonUser(pod: Pod): number | undefined {
  const { containers = [], initContainers = [], securityContext } = pod.spec ?? {}
  const users = new Set(
    [...initContainers, ...containers].map((c) => c.securityContext?.runAsUser ?? securityContext?.runAsUser),
  )
  return users.size === 1 ? [...users][0] : undefined
}
