import { type CompactSchema, compactDefinition, kindsOf } from '../schema/schema-table.ts'

export type OpenApiDialect = 'v2' | 'v3'

const PREFIX: Readonly<Record<OpenApiDialect, string>> = { v2: '#/definitions/', v3: '#/components/schemas/' }

/** Definitions that OpenAPI v3 can say more of than that they are strings. */
const V3_FORMS: Readonly<Record<string, object>> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': {
    format: 'int-or-string',
    oneOf: [{ type: 'integer' }, { type: 'string' }],
  },
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { oneOf: [{ type: 'string' }, { type: 'number' }] },
}

export function schemaRef(dialect: OpenApiDialect, name: string): { readonly $ref: string } {
  return { $ref: `${PREFIX[dialect]}${name}` }
}

function extensionsOf(source: CompactSchema): Record<string, unknown> {
  return {
    ...(source.lk === undefined ? {} : { 'x-kubernetes-list-map-keys': source.lk }),
    ...(source.lt === undefined ? {} : { 'x-kubernetes-list-type': source.lt }),
    ...(source.mt === undefined ? {} : { 'x-kubernetes-map-type': source.mt }),
    ...(source.mk === undefined ? {} : { 'x-kubernetes-patch-merge-key': source.mk }),
    ...(source.ps === undefined ? {} : { 'x-kubernetes-patch-strategy': source.ps }),
  }
}

/** One schema in the form of the dialect; adds the definitions it refers to to `references`. */
function schemaOf(dialect: OpenApiDialect, source: CompactSchema, references: Set<string>): Record<string, unknown> {
  const extensions = extensionsOf(source)
  if (source.r !== undefined) {
    references.add(source.r)
    const ref = schemaRef(dialect, source.r)
    // Version 3 ignores what stands beside a $ref.
    return dialect === 'v3' && Object.keys(extensions).length > 0
      ? { allOf: [ref], ...extensions }
      : { ...ref, ...extensions }
  }
  const convert = (inner: CompactSchema): Record<string, unknown> => schemaOf(dialect, inner, references)
  const type = source.p === undefined ? source.t : 'object'
  return {
    ...(type === undefined ? {} : { type }),
    ...(source.f === undefined ? {} : { format: source.f }),
    ...(source.q === undefined ? {} : { required: source.q }),
    ...(source.p === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(source.p).map(([key, inner]) => [key, convert(inner)])) }),
    ...(source.a === undefined ? {} : { additionalProperties: convert(source.a) }),
    ...(source.i === undefined ? {} : { items: convert(source.i) }),
    ...extensions,
  }
}

/** The definitions of these names and all that they refer to, by name, in order of name. */
export function documentSchemas(dialect: OpenApiDialect, names: Iterable<string>): Readonly<Record<string, object>> {
  const schemas = new Map<string, object>()
  const wanted = new Set(names)
  // A set may grow while it is walked; the walk reaches what is added.
  for (const name of wanted) {
    const source = compactDefinition(name)
    if (source === undefined) continue
    const kinds = kindsOf(name)
    schemas.set(name, {
      ...((dialect === 'v3' ? V3_FORMS[name] : undefined) ?? schemaOf(dialect, source, wanted)),
      ...(kinds.length === 0 ? {} : { 'x-kubernetes-group-version-kind': kinds }),
    })
  }
  return Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)))
}
