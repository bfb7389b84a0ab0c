import type { KubeObject } from '../../api/object.ts'
import type { ScopedResourceSelectorRequirement } from '../../api/types/core-v1.gen.ts'
import type { Amounts } from './amounts.ts'

/** How objects of one kind are counted. All functions are pure. */
export interface QuotaEvaluator<T extends KubeObject = KubeObject> {
  readonly group: string
  readonly resource: string
  /** Whether this kind uses what a quota limits under this name. */
  counts(name: string): boolean
  /** Which writes can raise what is used. */
  charges(operation: 'CREATE' | 'UPDATE' | 'DELETE', subresource: string): boolean
  /** What one object uses. Names that no quota limits may be among it. */
  usage(object: T, nowMs: number): Amounts
  /** Whether an object is in a scope; kinds that have none are in no scope at all. */
  isIn(scope: ScopedResourceSelectorRequirement, object: T): boolean
  /** Why an object cannot be counted by these names; `must specify …`. */
  missing?(names: readonly string[], object: T): string | undefined
  /** When an object will use less although nobody changes it: wall-clock milliseconds. */
  releasesAtMs?(object: T): number | undefined
}
