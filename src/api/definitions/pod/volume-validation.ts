import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { dns1123LabelErrors } from '../../names.ts'
import { compareQuantities } from '../../quantity.ts'
import type { Volume } from '../../types/core-v1.gen.ts'
import { noBacksteps } from './path-rules.ts'
import {
  type FileSource,
  validateDownwardItems,
  validateItems,
  validateMode,
  validateProjected,
} from './projection-validation.ts'

const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]

type Check = (source: FileSource, path: string) => readonly FieldError[]

function needs(...fields: readonly string[]): Check {
  return (source, path) =>
    fields.flatMap((field) => (source[field as keyof FileSource] ? [] : [required(`${path}.${field}`)]))
}

/** What each kind of source has to say; those not listed are taken as they are. */
const CHECKS: Readonly<Record<string, Check>> = {
  emptyDir: (source, path) =>
    source.sizeLimit !== undefined && compareQuantities(source.sizeLimit, '0') < 0
      ? [forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')]
      : [],
  hostPath: (source, path) => {
    if (!source.path) return [required(`${path}.path`)]
    const type = source.type ?? ''
    const wrongType = HOST_PATH_TYPES.includes(type) ? [] : [notSupported(`${path}.type`, type, HOST_PATH_TYPES)]
    return [...noBacksteps(source.path, `${path}.path`), ...wrongType]
  },
  // It ran git, and git ran hooks, as root on the node (CVE-2024-10220, CVE-2025-1767).
  gitRepo: (_, path) => [
    forbidden(path, 'gitRepo volumes run commands of the repository on the node and are disabled'),
  ],
  configMap: (source, path) => [
    ...validateMode(source.defaultMode, `${path}.defaultMode`),
    ...needs('name')(source, path),
    ...validateItems(source.items, `${path}.items`),
  ],
  secret: (source, path) => [
    ...needs('secretName')(source, path),
    ...validateMode(source.defaultMode, `${path}.defaultMode`),
    ...validateItems(source.items, `${path}.items`),
  ],
  downwardAPI: (source, path) => [
    ...validateMode(source.defaultMode, `${path}.defaultMode`),
    ...validateDownwardItems(source.items, path),
  ],
  projected: (source, path) => [
    ...validateMode(source.defaultMode, `${path}.defaultMode`),
    ...validateProjected(source.sources, path),
  ],
  persistentVolumeClaim: needs('claimName'),
  nfs: (source, path) => {
    const missing = needs('server', 'path')(source, path)
    const relative = source.path && !source.path.startsWith('/')
    return relative ? [...missing, invalid(`${path}.path`, source.path, 'must be an absolute path')] : missing
  },
  csi: needs('driver'),
  ephemeral: needs('volumeClaimTemplate'),
  image: needs('reference'),
}

/** Findings on one volume. */
function validateVolume(volume: Volume, path: string): readonly FieldError[] {
  const kinds = Object.keys(volume).filter((key) => key !== 'name' && volume[key as keyof Volume] !== undefined)
  if (kinds.length === 0) return [required(path, 'must specify a volume type')]
  const [first, ...others] = kinds as [string, ...string[]]
  const source = volume[first as keyof Volume] as unknown as FileSource
  return [
    ...(Object.hasOwn(CHECKS, first) ? CHECKS[first]!(source, `${path}.${first}`) : []),
    ...others.map((kind) => forbidden(`${path}.${kind}`, 'may not specify more than 1 volume type')),
  ]
}

/** Findings on a pod's volumes. */
export function validateVolumes(volumes: readonly Volume[], path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [i, volume] of volumes.entries()) {
    const at = `${path}[${i}]`
    errors.push(...validateVolume(volume, at))
    if (!volume.name) errors.push(required(`${at}.name`))
    else {
      for (const text of dns1123LabelErrors(volume.name)) errors.push(invalid(`${at}.name`, volume.name, text))
      if (names.has(volume.name)) errors.push(duplicate(`${at}.name`, volume.name))
      names.add(volume.name)
    }
  }
  return errors
}
