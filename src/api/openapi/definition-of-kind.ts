import { definitionNames, type GroupVersionKind, kindsOf } from '../schema/schema-table.ts'

let index: ReadonlyMap<string, string> | undefined

function keyOf({ group, version, kind }: GroupVersionKind): string {
  return `${group}/${version}/${kind}`
}

/** The name of the published definition of a kind; undefined when there is none. */
export function definitionOfKind(kind: GroupVersionKind): string | undefined {
  index ??= new Map(definitionNames().flatMap((name) => kindsOf(name).map((of) => [keyOf(of), name] as const)))
  return index.get(keyOf(kind))
}
