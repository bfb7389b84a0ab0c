import type { ResourceDefinition } from '../../../api/definition.ts'
import { humanDuration } from '../../../api/human-duration.ts'
import type { KubeObject } from '../../../api/object.ts'

export interface TableRow {
  readonly cells: readonly unknown[]
  readonly object?: unknown
}

/** What metadata clients get of an object. */
export function partialMetadata(object: KubeObject): unknown {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata }
}

function defaultColumns(
  nowMs: number,
): readonly { readonly name: string; readonly cell: (object: KubeObject) => string }[] {
  return [
    { name: 'Name', cell: (object) => object.metadata?.name ?? '' },
    { name: 'Age', cell: (object) => humanDuration(nowMs - Date.parse(object.metadata?.creationTimestamp ?? '')) },
  ]
}

/** The columns' definitions, as `kubectl get` needs them for its head. */
export function tableColumns(definition: ResourceDefinition): readonly unknown[] {
  return definition.columns.map(({ name, type, format, priority, description }) => ({
    name,
    type: type === 'date' ? 'string' : type,
    format: format ?? (name === 'Name' ? 'name' : ''),
    description,
    priority: priority ?? 0,
  }))
}

export function tableRow(
  definition: ResourceDefinition,
  object: KubeObject,
  includeObject: 'None' | 'Metadata' | 'Object',
  nowMs: number,
): TableRow {
  const columns = definition.columns.length > 0 ? definition.columns : defaultColumns(nowMs)
  const cells = columns.map((column) => column.cell(object as never, nowMs))
  if (includeObject === 'None') return { cells }
  return { cells, object: includeObject === 'Object' ? object : partialMetadata(object) }
}

export function table(
  definition: ResourceDefinition,
  rows: readonly TableRow[],
  metadata: object,
  withColumns = true,
): unknown {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: withColumns ? tableColumns(definition) : [],
    rows,
  }
}
