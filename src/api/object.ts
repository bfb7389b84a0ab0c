import type { ObjectMeta } from './types/meta-v1.gen.ts'

/** What every API object has in common. Objects are immutable once decoded: changes make new objects. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
}

/** A deeply writable copy of an API type, for the code that builds or defaults one before it is shared. */
export type Draft<T> = T extends readonly (infer U)[]
  ? Draft<U>[]
  : T extends object
    ? { -readonly [K in keyof T]: Draft<T[K]> }
    : T

/** `namespace/name`, or the name alone for cluster-scoped objects: the key of work queues and caches. */
export function objectKey(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {}
  return namespace === undefined || namespace === '' ? (name ?? '') : `${namespace}/${name ?? ''}`
}

/** Splits what `objectKey` made. */
export function splitKey(key: string): { readonly namespace: string | undefined; readonly name: string } {
  const slash = key.indexOf('/')
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
