import { type FieldError, forbidden, invalid, required } from '../../field-error.ts'
import type { DownwardAPIVolumeFile, KeyToPath, VolumeProjection } from '../../types/core-v1.gen.ts'
import { validateFieldRef, validateResourceFieldRef } from './field-ref-validation.ts'
import { nonReservedPath } from './path-rules.ts'

/** What the sources of volumes that are made of files, paths or references have between them. */
export interface FileSource {
  readonly path?: string
  readonly type?: string
  readonly name?: string
  readonly defaultMode?: number
  readonly sizeLimit?: string
  readonly items?: readonly (KeyToPath & DownwardAPIVolumeFile)[]
  readonly sources?: readonly VolumeProjection[]
}

const VOLUME_FIELDS = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid']
const TOKEN_SECONDS_MIN = 600
const TOKEN_SECONDS_MAX = 2 ** 32

export function validateMode(mode: number | undefined, path: string): readonly FieldError[] {
  return mode !== undefined && (mode < 0 || mode > 0o777)
    ? [invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')]
    : []
}

/** Findings on which keys become which files. */
export function validateItems(items: readonly KeyToPath[] | undefined, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const [i, item] of (items ?? []).entries()) {
    const at = `${path}[${i}]`
    if (!item.key) errors.push(required(`${at}.key`))
    if (!item.path) errors.push(required(`${at}.path`))
    else errors.push(...nonReservedPath(item.path, `${at}.path`))
    errors.push(...validateMode(item.mode, `${at}.mode`))
  }
  return errors
}

/** Findings on which of the pod's own fields become which files. */
export function validateDownwardItems(
  items: readonly DownwardAPIVolumeFile[] | undefined,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  // Kubernetes names these without their index.
  for (const item of items ?? []) {
    if (!item.path) errors.push(required(`${path}.path`))
    else errors.push(...nonReservedPath(item.path, `${path}.path`))
    if (item.fieldRef !== undefined) {
      errors.push(...validateFieldRef(item.fieldRef, `${path}.fieldRef`, VOLUME_FIELDS))
      if (item.resourceFieldRef !== undefined)
        errors.push(invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'))
    } else if (item.resourceFieldRef !== undefined)
      errors.push(...validateResourceFieldRef(item.resourceFieldRef, `${path}.resourceFieldRef`, true))
    else errors.push(required(`${path}.fieldRef`, 'one of fieldRef and resourceFieldRef is required'))
    errors.push(...validateMode(item.mode, `${path}.mode`))
  }
  return errors
}

function validateToken(
  token: NonNullable<VolumeProjection['serviceAccountToken']>,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  const seconds = token.expirationSeconds ?? TOKEN_SECONDS_MIN
  if (seconds < TOKEN_SECONDS_MIN)
    errors.push(invalid(`${path}.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'))
  if (seconds > TOKEN_SECONDS_MAX)
    errors.push(invalid(`${path}.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds'))
  if (!token.path) errors.push(required(`${path}.path`))
  else errors.push(...nonReservedPath(token.path, `${path}.path`))
  return errors
}

/** The files one source makes, as far as its own words say. */
function pathsOf(source: VolumeProjection): readonly string[] {
  const items = [
    ...(source.secret?.items ?? []),
    ...(source.configMap?.items ?? []),
    ...(source.downwardAPI?.items ?? []),
  ]
  const single = [source.serviceAccountToken?.path, source.clusterTrustBundle?.path]
  return [...items.map((item) => item.path), ...single].filter((path) => path !== undefined && path !== '') as string[]
}

/** Findings on a projected volume: each source of one kind, no two of the same file. */
export function validateProjected(
  sources: readonly VolumeProjection[] | undefined,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  const files = new Set<string>()
  for (const [i, source] of (sources ?? []).entries()) {
    const at = `${path}.sources[${i}]`
    const kinds = Object.keys(source)
    if (kinds.length === 0) errors.push(required(at, 'must specify a projected volume type'))
    for (const kind of kinds.slice(1))
      errors.push(forbidden(`${at}.${kind}`, 'may not specify more than 1 volume type per source'))
    for (const kind of ['secret', 'configMap'] as const) {
      if (source[kind] === undefined) continue
      if (!source[kind].name) errors.push(required(`${at}.${kind}.name`))
      errors.push(...validateItems(source[kind].items, `${at}.${kind}.items`))
    }
    if (source.downwardAPI !== undefined)
      errors.push(...validateDownwardItems(source.downwardAPI.items, `${at}.downwardAPI`))
    if (source.serviceAccountToken !== undefined)
      errors.push(...validateToken(source.serviceAccountToken, `${at}.serviceAccountToken`))
    for (const file of pathsOf(source)) {
      if (files.has(file)) errors.push(invalid(path, file, 'conflicting duplicate paths'))
      files.add(file)
    }
  }
  return errors
}
