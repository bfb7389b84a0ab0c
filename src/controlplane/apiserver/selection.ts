import type { ResourceDefinition } from '../../api/definition.ts'
import { FieldSelectorError, parseFieldSelector } from '../../api/field-selector.ts'
import { LabelSelectorError, parseLabelSelector } from '../../api/label-selector.ts'
import type { KubeObject } from '../../api/object.ts'
import { StatusError } from '../../api/status-error.ts'

export type Selection = (object: KubeObject) => boolean

const EVERYTHING: Selection = () => true

/** The objects that a request's label and field selectors choose. Throws BadRequest for one that cannot be read. */
export function selectionOf(definition: ResourceDefinition, query: URLSearchParams): Selection {
  const labelText = query.get('labelSelector') ?? ''
  const fieldText = query.get('fieldSelector') ?? ''
  if (labelText === '' && fieldText === '') return EVERYTHING
  try {
    const labels = parseLabelSelector(labelText)
    const fields = parseFieldSelector(fieldText).requirements.map(({ field, operator, value }) => ({
      read: fieldReader(definition, field),
      equal: operator === '=',
      value,
    }))
    return (object) =>
      labels.matches(object.metadata?.labels) &&
      fields.every(({ read, equal, value }) => (read(object) === value) === equal)
  } catch (error) {
    if (error instanceof LabelSelectorError)
      throw new StatusError('BadRequest', `unable to parse requirement: ${error.message}`)
    if (error instanceof FieldSelectorError) throw new StatusError('BadRequest', error.message)
    throw error
  }
}

function fieldReader(definition: ResourceDefinition, field: string): (object: KubeObject) => string {
  if (field === 'metadata.name') return (object) => object.metadata?.name ?? ''
  if (field === 'metadata.namespace') return (object) => object.metadata?.namespace ?? ''
  if (Object.hasOwn(definition.selectableFields, field)) return definition.selectableFields[field]!
  throw new StatusError(
    'BadRequest',
    `Unable to find "${definition.group === '' ? '' : `${definition.group}/`}${definition.version}, Resource=${definition.resource}" that match label selector "", field selector "${field}": field label not supported: ${field}`,
  )
}

/** True when the selectors can only choose objects by this one name. */
export function selectedName(query: URLSearchParams): string | undefined {
  return /^metadata\.name==?([^,=!\\]+)$/.exec(query.get('fieldSelector') ?? '')?.[1]
}
