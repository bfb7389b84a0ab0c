import type { Draft, KubeObject } from '../object.ts'

/** A new object is of generation 1, whatever the client says. */
export function firstGeneration(draft: Draft<KubeObject>): void {
  draft.metadata ??= {}
  draft.metadata.generation = 1
}

/** The previous generation, or the next one when what was asked for has changed. */
export function nextGeneration(draft: Draft<KubeObject>, previous: KubeObject, changed: boolean): void {
  const before = previous.metadata?.generation ?? (changed ? 0 : undefined)
  draft.metadata ??= {}
  if (before === undefined) delete draft.metadata.generation
  else draft.metadata.generation = before + (changed ? 1 : 0)
}
