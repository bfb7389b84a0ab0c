import { StatusError } from '../../../api/status-error.ts'

/** In which form an answer is wanted. */
export type ResponseForm =
  | { readonly kind: 'plain' }
  | { readonly kind: 'table'; readonly includeObject: 'None' | 'Metadata' | 'Object' }
  | { readonly kind: 'metadata' }

const PLAIN: ResponseForm = { kind: 'plain' }

interface MediaRange {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
}

function parseRanges(accept: string): readonly MediaRange[] {
  return accept.split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim())
    return {
      type: type.toLowerCase(),
      parameters: new Map(
        parameters.map((text) => {
          const equals = text.indexOf('=')
          return [text.slice(0, equals).trim(), text.slice(equals + 1).trim()]
        }),
      ),
    }
  })
}

/** The first of the client's media ranges that this server can give; throws NotAcceptable when there is none. */
export function responseForm(accept: string | undefined, query: URLSearchParams): ResponseForm {
  if (accept === undefined || accept === '' || accept === 'application/json') return PLAIN
  const includeObject = query.get('includeObject') ?? 'Metadata'
  for (const { type, parameters } of parseRanges(accept)) {
    if (type !== 'application/json' && type !== 'application/*' && type !== '*/*') continue
    const as = parameters.get('as')
    if (as === undefined) return PLAIN
    if (parameters.get('g') !== 'meta.k8s.io' || parameters.get('v') !== 'v1') continue
    if (as === 'Table') {
      if (includeObject !== 'None' && includeObject !== 'Metadata' && includeObject !== 'Object') {
        throw new StatusError(
          'BadRequest',
          `includeObject: Unsupported value: "${includeObject}": supported values: "Metadata", "None", "Object"`,
        )
      }
      return { kind: 'table', includeObject }
    }
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { kind: 'metadata' }
  }
  throw new StatusError('NotAcceptable', 'only the following media types are accepted: application/json')
}
