import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { PullSecret } from '../runtime/runtime.ts'
import type { ConfigSource } from './config-source.ts'

/** The one key of each type of pull secret. */
const KEYS: Readonly<Record<string, string>> = {
  'kubernetes.io/dockerconfigjson': '.dockerconfigjson',
  'kubernetes.io/dockercfg': '.dockercfg',
}

export interface FoundPullSecrets {
  readonly secrets: readonly PullSecret[]
  /** Names that no secret of a fitting type has. */
  readonly missing: readonly string[]
}

/** The contents of a pod's image pull secrets, in order. A missing one is no error: the image may not need it. */
export async function pullSecrets(pod: Pod, configs: Pick<ConfigSource, 'secrets'>): Promise<FoundPullSecrets> {
  const names = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name }) => name ?? [])
  if (names.length === 0) return { secrets: [], missing: [] }
  const found = await configs.secrets(pod.metadata?.namespace ?? '', new Set(names))
  const secrets: PullSecret[] = []
  const missing: string[] = []
  for (const name of new Set(names)) {
    const secret = found.get(name)
    const type = secret?.type ?? ''
    const data = Object.hasOwn(KEYS, type) ? secret?.data?.[KEYS[type]!] : undefined
    if (data === undefined) missing.push(name)
    else secrets.push({ type, content: Buffer.from(data, 'base64').toString() })
  }
  return { secrets, missing }
}
