type Fields = Readonly<Record<string, unknown>>

/**
 * The three places in a CustomResourceDefinition's schema where JSON has one of two forms and the wire has a message
 * with a field for each.
 */
export interface SchemaUnion {
  fromFields(fields: Fields): unknown
  toFields(value: unknown): Fields
}

const isList = Array.isArray

/** By the message's name. */
export const SCHEMA_UNIONS: ReadonlyMap<string, SchemaUnion> = new Map([
  [
    'JSONSchemaPropsOrBool',
    {
      fromFields: ({ schema, allows }: Fields) => schema ?? allows ?? false,
      toFields: (value: unknown) => (typeof value === 'boolean' ? { allows: value } : { allows: true, schema: value }),
    },
  ],
  [
    'JSONSchemaPropsOrArray',
    {
      fromFields: ({ schema, jSONSchemas }: Fields) => jSONSchemas ?? schema,
      toFields: (value: unknown) => (isList(value) ? { jSONSchemas: value } : { schema: value }),
    },
  ],
  [
    'JSONSchemaPropsOrStringArray',
    {
      fromFields: ({ schema, property }: Fields) => property ?? schema,
      toFields: (value: unknown) => (isList(value) ? { property: value } : { schema: value }),
    },
  ],
])
