import type { DownwardAPIVolumeFile, Pod } from '../../api/types/core-v1.gen.ts'
import { type PodAddressing, podField, resourceField } from '../pod/field-ref.ts'
import type { VolumeFile } from './volume-file.ts'
import { VolumeError } from './volume-manager.ts'

/** The files that show fields of the pod itself. Throws VolumeError for what pods do not offer. */
export function downwardFiles(
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[],
  addressing: PodAddressing,
  allocatable: Readonly<Record<string, string>>,
  defaultMode: number,
): readonly (readonly [path: string, file: VolumeFile])[] {
  return items.map(({ path, mode, fieldRef, resourceFieldRef }) => {
    let text: string | undefined
    if (fieldRef !== undefined) {
      text = podField(pod, fieldRef.fieldPath, addressing)
      if (text === undefined) throw new VolumeError(`unsupported fieldPath: ${fieldRef.fieldPath}`)
    } else if (resourceFieldRef !== undefined) {
      const { containerName = '', resource } = resourceFieldRef
      const container = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].find(
        ({ name }) => name === containerName,
      )
      if (container === undefined) throw new VolumeError(`container ${containerName} not found`)
      text = resourceField(container, resourceFieldRef, allocatable)
      if (text === undefined) throw new VolumeError(`unsupported container resource: ${resource}`)
    } else throw new VolumeError(`${path}: one of fieldRef and resourceFieldRef is required`)
    return [path, { bytes: Buffer.from(text), mode: mode ?? defaultMode }] as const
  })
}
