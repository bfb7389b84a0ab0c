import type { Draft } from '../../../../src/api/object.ts'
import type { Container, Pod, PodSpec } from '../../../../src/api/types/core-v1.gen.ts'

/** A small good pod, as a person writes it. */
export function podManifest(spec: Partial<Draft<PodSpec>> = {}, container: Partial<Draft<Container>> = {}): Draft<Pod> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', labels: { app: 'web' } },
    spec: { containers: [{ name: 'web', image: 'node:24', ...container }], ...spec },
  }
}
