import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../../api/types/core-v1.gen.ts'

type Labels = Readonly<Record<string, string>>

/** Whether a node with this name and these labels is meant. */
export type NodeMatch = (name: string, labels: Labels) => boolean

function integer(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[+-]?\d+$/.test(text) ? BigInt(text) : undefined
}

function fits({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    default: {
      const [has, bound] = [integer(value), integer(values[0])]
      if (has === undefined || bound === undefined) return false
      return operator === 'Gt' ? has > bound : operator === 'Lt' && has < bound
    }
  }
}

/** A term matches when all in it does; an empty one matches nothing. */
export function nodeSelectorTermMatch({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): NodeMatch {
  if (matchExpressions.length === 0 && matchFields.length === 0) return () => false
  return (name, labels) =>
    matchFields.every((field) => fits(field, field.key === 'metadata.name' ? name : undefined)) &&
    matchExpressions.every((expression) =>
      fits(expression, Object.hasOwn(labels, expression.key) ? labels[expression.key] : undefined),
    )
}

function nodeSelectorMatch({ nodeSelectorTerms }: NodeSelector): NodeMatch {
  const terms = nodeSelectorTerms.map(nodeSelectorTermMatch)
  return (name, labels) => terms.some((term) => term(name, labels))
}

/** The nodes a pod asks for by `nodeSelector` and required node affinity; undefined when it asks for none. */
export function requiredNodeMatch(pod: Pod): NodeMatch | undefined {
  const wanted = Object.entries(pod.spec?.nodeSelector ?? {})
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const affinity = required === undefined ? undefined : nodeSelectorMatch(required)
  if (wanted.length === 0) return affinity
  return (name, labels) =>
    wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value) &&
    (affinity === undefined || affinity(name, labels))
}

/**
 * The names of the only nodes that a required affinity can mean, when each of its terms names some by `metadata.name`,
 * as the pods of a DaemonSet do; undefined when any other may be meant, empty when the terms contradict themselves.
 */
export function namedNodes(pod: Pod): ReadonlySet<string> | undefined {
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  if (terms === undefined || terms.length === 0) return undefined
  const names = new Set<string>()
  for (const { matchFields = [] } of terms) {
    const fields = matchFields.filter(({ key, operator }) => key === 'metadata.name' && operator === 'In')
    if (fields.length === 0) return undefined
    for (const name of fields[0]!.values ?? []) {
      if (fields.every(({ values = [] }) => values.includes(name))) names.add(name)
    }
  }
  return names
}
