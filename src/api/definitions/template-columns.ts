import type { TableColumn } from '../definition.ts'
import { formatLabelSelector } from '../label-selector.ts'
import type { KubeObject } from '../object.ts'
import type { PodTemplateSpec } from '../types/core-v1.gen.ts'
import type { LabelSelector } from '../types/meta-v1.gen.ts'

interface Templated extends KubeObject {
  readonly spec?: { readonly template?: PodTemplateSpec; readonly selector?: LabelSelector }
}

/** The wide columns of everything that makes pods from a template. */
export const TEMPLATE_COLUMNS: readonly TableColumn<Templated>[] = [
  {
    name: 'Containers',
    type: 'string',
    priority: 1,
    description: 'Names of the containers in the template.',
    cell: (object) => (object.spec?.template?.spec?.containers ?? []).map(({ name }) => name).join(','),
  },
  {
    name: 'Images',
    type: 'string',
    priority: 1,
    description: 'Images of the containers in the template.',
    cell: (object) => (object.spec?.template?.spec?.containers ?? []).map(({ image }) => image ?? '').join(','),
  },
  {
    name: 'Selector',
    type: 'string',
    priority: 1,
    description: 'Labels of the pods it owns.',
    cell: (object) => formatLabelSelector(object.spec?.selector),
  },
]
