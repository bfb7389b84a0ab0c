import { JsonError, parseJson } from '../../api/json.ts'
import { decodeEnvelope } from '../../api/protobuf/envelope.ts'
import { ProtobufError } from '../../api/protobuf/protobuf-error.ts'
import { StatusError } from '../../api/status-error.ts'
import type { ParsedBody } from './parsed-body.ts'

/** As kube-apiserver's limit on what it reads of a request. */
const BYTES_MAX = 3 * 1024 * 1024
const JSON_TYPE = 'application/json'
const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf'
const YAML_TYPES = new Set(['application/yaml', 'text/yaml', 'application/x-yaml'])
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
]
const APPLY_TYPES = new Set(['application/apply-patch+yaml', 'application/apply-patch+cbor'])
const NOTHING: ParsedBody = { body: undefined, duplicates: [] }

/** The media type of a Content-Type header without its parameters; JSON when there is none. */
export function mediaType(header: string | undefined): string {
  if (header === undefined || header === '' || header === JSON_TYPE) return JSON_TYPE
  return header.split(';')[0]!.trim().toLowerCase()
}

function unsupported(accepted: readonly string[]): StatusError {
  return new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  )
}

function noServerSideApply(): StatusError {
  return new StatusError(
    'UnsupportedMediaType',
    `this server has no server-side apply; patches it accepts: ${PATCH_TYPES.join(', ')}`,
  )
}

function unrecognized(error: JsonError | ProtobufError): StatusError {
  return new StatusError('BadRequest', `the object provided is unrecognized: couldn't parse the body: ${error.message}`)
}

/**
 * Reads the body of a request; `protobuf` tells whether the resource has that form. Throws 413, 415, or 400 for what is
 * no JSON, YAML or protobuf. YAML's parser loads on first use.
 */
export async function parseBody(
  method: string,
  type: string,
  bytes: Uint8Array,
  protobuf: boolean,
): Promise<ParsedBody> {
  if (method === 'PATCH' && !PATCH_TYPES.includes(type))
    throw APPLY_TYPES.has(type) ? noServerSideApply() : unsupported(PATCH_TYPES)
  if (bytes.length === 0) return NOTHING
  if (bytes.length > BYTES_MAX)
    throw new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${BYTES_MAX}`)
  if (YAML_TYPES.has(type)) {
    const { parseYaml } = await import('./yaml/parse-yaml.ts')
    return parseYaml(bytes)
  }
  try {
    if (type === PROTOBUF_TYPE && protobuf) return { body: decodeEnvelope(bytes), duplicates: [] }
    if (type !== JSON_TYPE && method !== 'PATCH')
      throw unsupported([JSON_TYPE, 'application/yaml', ...(protobuf ? [PROTOBUF_TYPE] : [])])
    const { value, duplicates } = parseJson(bytes)
    return { body: value, duplicates }
  } catch (error) {
    if (error instanceof JsonError || error instanceof ProtobufError) throw unrecognized(error)
    throw error
  }
}
