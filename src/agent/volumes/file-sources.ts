import type { Pod, Volume, VolumeProjection } from '../../api/types/core-v1.gen.ts'

/** A volume made of files: what a projected volume lists; the single kinds are projections of one source. */
export interface FileSources {
  readonly sources: readonly VolumeProjection[]
  /** Permission bits of files that name none of their own. */
  readonly defaultMode: number
}

const DEFAULT_MODE = 0o644

/** The sources of a configMap, secret, downwardAPI or projected volume; undefined for every other kind. */
export function fileSources(volume: Volume): FileSources | undefined {
  const { configMap, secret, downwardAPI, projected } = volume
  const single: VolumeProjection | undefined =
    configMap !== undefined
      ? { configMap: { name: configMap.name, items: configMap.items, optional: configMap.optional } }
      : secret !== undefined
        ? { secret: { name: secret.secretName, items: secret.items, optional: secret.optional } }
        : downwardAPI !== undefined
          ? { downwardAPI: { items: downwardAPI.items } }
          : undefined
  const defaultMode = (configMap ?? secret ?? downwardAPI ?? projected)?.defaultMode ?? DEFAULT_MODE
  if (single !== undefined) return { sources: [single], defaultMode }
  return projected === undefined ? undefined : { sources: projected.sources ?? [], defaultMode }
}

/** One ConfigMap or Secret. */
export interface ConfigReference {
  readonly resource: 'configmaps' | 'secrets'
  readonly namespace: string
  readonly name: string
}

export function referenceKey({ resource, namespace, name }: ConfigReference): string {
  return `${resource}/${namespace}/${name}`
}

/** The ConfigMaps and Secrets that volumes of a pod show, by `referenceKey`. */
export function volumeReferences(pod: Pod, volumes: readonly Volume[]): ReadonlyMap<string, ConfigReference> {
  const namespace = pod.metadata?.namespace ?? ''
  const found = new Map<string, ConfigReference>()
  const add = (resource: ConfigReference['resource'], name: string | undefined): void => {
    if (name === undefined) return
    const reference = { resource, namespace, name }
    found.set(referenceKey(reference), reference)
  }
  for (const volume of volumes) {
    for (const { configMap, secret } of fileSources(volume)?.sources ?? []) {
      add('configmaps', configMap?.name)
      add('secrets', secret?.name)
    }
  }
  return found
}
