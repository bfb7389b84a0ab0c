import type { KubeObject } from '../../api/object.ts'
import type { Labels, StateFamily } from './state-family.ts'

/** Labels of an object beyond this are left out: anybody who may write one object could grow a scrape else. */
const LABELS_MAX = 32

/** An object's labels under names that Prometheus allows; two that come to one name are numbered, as kube-state-metrics does. */
export function labelLabels(labels: Readonly<Record<string, string>> | undefined): Labels {
  const result: Record<string, string> = {}
  const names = Object.keys(labels ?? {}).sort()
  for (const name of names.slice(0, LABELS_MAX)) {
    const base = `label_${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`
    let key = base
    for (let i = 1; Object.hasOwn(result, key); i++) key = `${base}_conflict${i}`
    result[key] = labels![name]!
  }
  return result
}

/** `kube_<what>_labels`: 1 for each object, to join with. */
export function labelsFamily<T extends KubeObject>(what: string, own: (object: T) => Labels): StateFamily<T> {
  return {
    name: `kube_${what}_labels`,
    type: 'gauge',
    help: `Kubernetes labels converted to Prometheus labels, the first ${LABELS_MAX} of an object.`,
    write: (object, emit) => emit({ ...own(object), ...labelLabels(object.metadata?.labels) }, 1),
  }
}
