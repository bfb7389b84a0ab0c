import { type FieldError, forbidden, invalid, notFound, notSupported, required } from '../../field-error.ts'
import type { Container, Volume, VolumeMount } from '../../types/core-v1.gen.ts'
import { descendingPath } from './path-rules.ts'

const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None']
const RECURSIVE_READ_ONLY = ['Disabled', 'Enabled', 'IfPossible']

function validateMount(mount: VolumeMount, path: string, privileged: boolean): readonly FieldError[] {
  const errors: FieldError[] = []
  if (mount.subPath) errors.push(...descendingPath(mount.subPath, `${path}.subPath`))
  if (mount.subPathExpr) {
    if (mount.subPath)
      errors.push(invalid(`${path}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'))
    errors.push(...descendingPath(mount.subPathExpr, `${path}.subPathExpr`))
  }
  const { mountPropagation: propagation, recursiveReadOnly: recursive } = mount
  if (propagation !== undefined) {
    if (!PROPAGATIONS.includes(propagation))
      errors.push(notSupported(`${path}.mountPropagation`, propagation, PROPAGATIONS))
    if (propagation === 'Bidirectional' && !privileged) {
      const text = 'Bidirectional mount propagation is available only to privileged containers'
      errors.push(forbidden(`${path}.mountPropagation`, text))
    }
  }
  if (recursive !== undefined && !RECURSIVE_READ_ONLY.includes(recursive))
    errors.push(notSupported(`${path}.recursiveReadOnly`, recursive, RECURSIVE_READ_ONLY))
  if ((recursive === 'Enabled' || recursive === 'IfPossible') && mount.readOnly !== true)
    errors.push(forbidden(`${path}.recursiveReadOnly`, 'may only be specified when readOnly is true'))
  return errors
}

/** Findings on where a container finds its volumes. */
export function validateMounts(
  container: Pick<Container, 'volumeMounts' | 'volumeDevices' | 'securityContext'>,
  volumes: ReadonlyMap<string, Volume>,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  const privileged = container.securityContext?.privileged === true
  const places = new Set<string>()
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${i}]`
    if (!mount.name) errors.push(required(`${at}.name`))
    else if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name))
    if (!mount.mountPath) errors.push(required(`${at}.mountPath`))
    if (places.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'))
    places.add(mount.mountPath)
    errors.push(...validateMount(mount, at, privileged))
  }
  for (const [i, device] of (container.volumeDevices ?? []).entries()) {
    const at = `${path}.volumeDevices[${i}]`
    const volume = volumes.get(device.name)
    if (!device.name) errors.push(required(`${at}.name`))
    else if (volume === undefined) errors.push(notFound(`${at}.name`, device.name))
    else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
      const text = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'
      errors.push(invalid(`${at}.name`, device.name, text))
    }
    if (!device.devicePath) errors.push(required(`${at}.devicePath`))
    if (places.has(device.devicePath)) errors.push(invalid(`${at}.devicePath`, device.devicePath, 'must be unique'))
    places.add(device.devicePath)
  }
  return errors
}
