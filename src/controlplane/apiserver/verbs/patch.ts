import { invalid } from '../../../api/field-error.ts'
import type { Draft } from '../../../api/object.ts'
import { applyJsonPatch } from '../../../api/patch/json-patch.ts'
import { applyMergePatch } from '../../../api/patch/merge-patch.ts'
import { applyStrategicMergePatch } from '../../../api/patch/strategic-merge.ts'
import { invalidError, isReason, notFoundError, StatusError } from '../../../api/status-error.ts'
import type { ObjectMeta } from '../../../api/types/meta-v1.gen.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { type DecodedBody, decodeBody, modifiedError, type Registry } from '../registry.ts'
import { fieldValidation } from '../write-options.ts'
import { checkName, settleNamespace } from './create.ts'
import { replaceObject } from './update.ts'

const RETRIES_MAX = 10

/** The document with a patch of the request's media type applied. */
export function applyPatch(contentType: string, schema: string, document: unknown, patch: unknown): unknown {
  switch (contentType) {
    case 'application/json-patch+json':
      return applyJsonPatch(document, patch)
    case 'application/merge-patch+json':
      return applyMergePatch(document, patch)
    case 'application/strategic-merge-patch+json':
      return applyStrategicMergePatch(schema, document, patch)
    default:
      throw new StatusError(
        'UnsupportedMediaType',
        'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json',
      )
  }
}

/** The patched object; what it has of unknown, doubled or ill-typed fields is the patch's fault, as kube-apiserver says it. */
function decodePatched({ definition, duplicates, query, body }: CoreRequest, patched: unknown): DecodedBody {
  try {
    return decodeBody(definition, patched, duplicates, fieldValidation(query))
  } catch (error) {
    if (!isReason(error, 'BadRequest')) throw error
    throw invalidError({ group: '', kind: '' }, '', [invalid('patch', body, error.message)])
  }
}

/** PATCH of an object or of its status, tried again on the newest version when another writer was faster. */
export async function patch(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info } = request
  for (let i = 0; i < RETRIES_MAX; i++) {
    const stored = await registry.find(definition, info.namespace, info.name)
    if (stored === undefined) throw notFoundError(definition, info.name)
    const current = registry.served(definition, stored).object
    const patched = applyPatch(request.contentType, definition.schema, current, request.body)
    const { draft, warnings } = decodePatched(request, patched)
    const meta = draft.metadata as Draft<ObjectMeta>
    checkName(meta, info.name)
    settleNamespace(definition, meta, info.namespace)
    const object = await replaceObject(registry, request, draft, stored)
    if (object !== undefined)
      return {
        kind: 'object',
        status: 200,
        object,
        warnings: [...warnings, ...(definition.warnings?.(object.object) ?? [])],
      }
  }
  throw modifiedError(definition, info.name)
}
