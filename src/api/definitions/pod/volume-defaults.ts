import type { Draft } from '../../object.ts'
import type { DownwardAPIVolumeFile, Volume } from '../../types/core-v1.gen.ts'
import { defaultPullPolicy } from './container-defaults.ts'

/** 0644. */
const DEFAULT_MODE = 420
const TOKEN_SECONDS = 3_600

function setDownwardDefaults(items: Draft<DownwardAPIVolumeFile>[] = []): void {
  for (const { fieldRef } of items) if (fieldRef !== undefined && !fieldRef.apiVersion) fieldRef.apiVersion = 'v1'
}

/** What a volume means when it leaves things out; one without a source is an emptyDir. */
export function setVolumeDefaults(volume: Draft<Volume>): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {}
  if (volume.hostPath !== undefined) volume.hostPath.type ??= ''
  for (const source of [volume.secret, volume.configMap, volume.downwardAPI, volume.projected]) {
    if (source !== undefined) source.defaultMode ??= DEFAULT_MODE
  }
  setDownwardDefaults(volume.downwardAPI?.items)
  for (const source of volume.projected?.sources ?? []) {
    setDownwardDefaults(source.downwardAPI?.items)
    if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= TOKEN_SECONDS
  }
  if (volume.ephemeral?.volumeClaimTemplate?.spec !== undefined)
    volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= 'Filesystem'
  if (volume.image !== undefined && !volume.image.pullPolicy)
    volume.image.pullPolicy = defaultPullPolicy(volume.image.reference ?? '')
}
