import { anchorOf } from './pod-selector.ts'

/** Where an index files what selects pods of one namespace (or of any), all of which have one label (or need none). */
export function bucketOf(namespace: string | undefined, anchor: string | undefined): string {
  return `${namespace ?? ''}\0${anchor ?? ''}`
}

const REMEMBERED_MAX = 4_096
const known = new Map<string, readonly string[]>()

/** Every bucket in which something is filed that may select this pod. Pods of one workload share the list. */
export function bucketsOfPod(namespace: string, labels: Readonly<Record<string, string>>): readonly string[] {
  const entries = Object.entries(labels)
  const text = `${namespace}\0${entries.map(([key, value]) => anchorOf(key, value)).join('\0')}`
  let buckets = known.get(text)
  if (buckets === undefined) {
    const anchors = [undefined, ...entries.map(([key, value]) => anchorOf(key, value))]
    buckets = anchors.flatMap((anchor) => [bucketOf(undefined, anchor), bucketOf(namespace, anchor)])
    if (known.size >= REMEMBERED_MAX) known.clear()
    known.set(text, buckets)
  }
  return buckets
}

/**
 * Finds what may select a pod without asking everything there is: a pod looks into a few buckets for each of its
 * labels, however many workloads there are.
 */
export class SelectorIndex<T> {
  readonly #buckets = new Map<string, Set<T>>()

  add(buckets: readonly string[], item: T): void {
    for (const bucket of buckets) {
      const items = this.#buckets.get(bucket)
      if (items === undefined) this.#buckets.set(bucket, new Set([item]))
      else items.add(item)
    }
  }

  delete(buckets: readonly string[], item: T): void {
    for (const bucket of buckets) {
      const items = this.#buckets.get(bucket)
      items?.delete(item)
      if (items?.size === 0) this.#buckets.delete(bucket)
    }
  }

  /** Calls back once for each item that may select a pod of these buckets; the callback makes sure. */
  visit(buckets: readonly string[], callback: (item: T) => void): void {
    for (const bucket of buckets) {
      const items = this.#buckets.get(bucket)
      if (items !== undefined) for (const item of items) callback(item)
    }
  }
}
