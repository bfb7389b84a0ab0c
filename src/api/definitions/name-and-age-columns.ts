import type { TableColumn } from '../definition.ts'
import { age } from '../human-duration.ts'
import type { KubeObject } from '../object.ts'

export const NAME_COLUMN: TableColumn<KubeObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique in its namespace.',
  cell: (object) => object.metadata?.name ?? '',
}

export const AGE_COLUMN: TableColumn<KubeObject> = {
  name: 'Age',
  type: 'string',
  description: 'Time since the object was created.',
  cell: (object, nowMs) => age(object.metadata?.creationTimestamp, nowMs),
}
