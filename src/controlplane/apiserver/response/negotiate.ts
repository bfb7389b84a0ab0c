import { StatusError } from '../../../api/status-error.ts'

/** How objects are written: kinds built into Kubernetes have both forms, other kinds JSON alone. */
export type Encoding = 'json' | 'protobuf'

export const MEDIA_TYPE: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  protobuf: 'application/vnd.kubernetes.protobuf',
}

/** In which form an answer is wanted. */
export type ResponseForm =
  | { readonly kind: 'plain'; readonly encoding: Encoding }
  | { readonly kind: 'table'; readonly encoding: 'json'; readonly includeObject: 'None' | 'Metadata' | 'Object' }
  | { readonly kind: 'metadata'; readonly encoding: Encoding }

export const PLAIN: ResponseForm = { kind: 'plain', encoding: 'json' }

export interface MediaRange {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
}

function parseRange(text: string): MediaRange & { readonly quality: number } {
  const [type = '', ...parts] = text.split(';').map((part) => part.trim())
  const parameters = new Map(
    parts.map((part) => {
      const equals = part.indexOf('=')
      return [part.slice(0, equals).trim(), part.slice(equals + 1).trim()]
    }),
  )
  const quality = Number(parameters.get('q') ?? '1')
  return { type: type.toLowerCase(), parameters, quality: quality >= 0 && quality <= 1 ? quality : 1 }
}

/** The ranges of an Accept header, the most wanted first (RFC 9110 §12.5.1); equal ones stay in the client's order. */
export function mediaRanges(accept: string): readonly MediaRange[] {
  return accept
    .split(',')
    .map(parseRange)
    .toSorted((a, b) => b.quality - a.quality)
}

/** The first of the encodings that a range covers. */
export function encodingIn({ type }: MediaRange, encodings: readonly Encoding[]): Encoding | undefined {
  if (type === '*/*' || type === 'application/*') return encodings[0]
  return encodings.find((encoding) => MEDIA_TYPE[encoding] === type)
}

export const JSON_ONLY: readonly Encoding[] = ['json']
export const BOTH: readonly Encoding[] = ['json', 'protobuf']

/** What a range asks for; undefined when this server does not have it. */
function formOf(
  range: MediaRange,
  encodings: readonly Encoding[],
  query: URLSearchParams,
  transforms: boolean,
): ResponseForm | undefined {
  const { parameters } = range
  if ((parameters.get('stream') ?? 'watch') !== 'watch') return undefined
  const as = parameters.get('as')
  if (as === undefined) {
    const encoding = encodingIn(range, encodings)
    return encoding && { kind: 'plain', encoding }
  }
  if (!transforms || parameters.get('g') !== 'meta.k8s.io' || parameters.get('v') !== 'v1') return undefined
  if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') {
    const encoding = encodingIn(range, BOTH)
    return encoding && { kind: 'metadata', encoding }
  }
  // Tables have no protobuf form.
  if (as !== 'Table' || encodingIn(range, JSON_ONLY) === undefined) return undefined
  const includeObject = query.get('includeObject') ?? 'Metadata'
  if (includeObject !== 'None' && includeObject !== 'Metadata' && includeObject !== 'Object') {
    throw new StatusError(
      'BadRequest',
      `includeObject: Unsupported value: "${includeObject}": supported values: "Metadata", "None", "Object"`,
    )
  }
  return { kind: 'table', encoding: 'json', includeObject }
}

/**
 * The first of the client's media ranges that this server can give. `encodings` are those that the resource has;
 * `transforms` tells whether it can also be shown as a table or by its metadata. Throws NotAcceptable for none.
 */
export function responseForm(
  accept: string | undefined,
  query: URLSearchParams,
  encodings: readonly Encoding[],
  transforms: boolean,
): ResponseForm {
  if (accept === undefined || accept === '' || accept === 'application/json') return PLAIN
  for (const range of mediaRanges(accept)) {
    const form = formOf(range, encodings, query, transforms)
    if (form !== undefined) return form
  }
  const accepted = encodings.map((encoding) => MEDIA_TYPE[encoding]).join(', ')
  throw new StatusError('NotAcceptable', `only the following media types are accepted: ${accepted}`)
}

/** The encoding for what has one form only, an error above all: the client's choice where it can be, else JSON. */
export function plainEncoding(accept: string | undefined): Encoding {
  if (accept === undefined || !accept.includes('protobuf')) return 'json'
  const plain = mediaRanges(accept).filter(({ parameters }) => !parameters.has('as'))
  return plain.map((range) => encodingIn(range, BOTH)).find((encoding) => encoding !== undefined) ?? 'json'
}
