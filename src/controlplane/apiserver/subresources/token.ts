import type { ResourceDefinition } from '../../../api/definition.ts'
import { invalid } from '../../../api/field-error.ts'
import { conflictError, invalidError, StatusError } from '../../../api/status-error.ts'
import type { TokenRequest } from '../../../api/types/authentication-v1.gen.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import type { ServiceAccountTokens } from '../edge/service-account-tokens.ts'
import { decodeBody, type Registry } from '../registry.ts'
import { checkName, settleNamespace } from '../verbs/create.ts'
import { fieldValidation, isDryRun } from '../write-options.ts'
import { admitSubresource } from './admit-subresource.ts'

const SECONDS_MIN = 600
const SECONDS_MAX = 2 ** 32
const SECONDS_DEFAULT = 3_600
const KIND = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  schema: 'io.k8s.api.authentication.v1.TokenRequest',
}

/** POST of a TokenRequest to a service account; the token may be bound to a pod that runs under it. */
export async function requestToken(
  registry: Registry,
  request: CoreRequest,
  pods: ResourceDefinition,
  tokens: ServiceAccountTokens,
): Promise<CoreResponse> {
  const { definition, info } = request
  const { draft, warnings } = decodeBody(KIND, request.body, request.duplicates, fieldValidation(request.query))
  checkName(draft.metadata!, info.name)
  settleNamespace(definition, draft.metadata!, info.namespace)
  const asked = draft as TokenRequest
  const account = (await registry.get(definition, info.namespace, info.name)).object
  const dryRun = isDryRun(request.query)
  await admitSubresource(registry, request, draft, dryRun)
  const seconds = asked.spec?.expirationSeconds ?? SECONDS_DEFAULT
  const why =
    seconds < SECONDS_MIN
      ? 'may not specify a duration less than 10 minutes'
      : seconds > SECONDS_MAX
        ? 'may not specify a duration larger than 2^32 seconds'
        : undefined
  if (why !== undefined) throw invalidError(KIND, info.name, [invalid('spec.expirationSeconds', seconds, why)])
  const bound = asked.spec?.boundObjectRef
  let pod: { name: string; uid: string } | undefined
  if (bound !== undefined) {
    if (bound.kind !== 'Pod')
      throw new StatusError('BadRequest', `cannot bind token for serviceaccount "${info.name}" to type ${bound.kind}`)
    const found = (await registry.get(pods, info.namespace, bound.name ?? '')).object
    const spec = (found as { readonly spec?: { readonly serviceAccountName?: string } }).spec
    if (spec?.serviceAccountName !== info.name)
      throw new StatusError(
        'BadRequest',
        `cannot bind token for serviceaccount "${info.name}" to pod running with different serviceaccount name.`,
      )
    if (bound.uid !== undefined && bound.uid !== found.metadata?.uid)
      throw conflictError(
        pods,
        bound.name ?? '',
        'the UID in the bound object reference does not match the UID in record',
      )
    pod = { name: bound.name ?? '', uid: found.metadata?.uid ?? '' }
  }
  const subject = {
    namespace: info.namespace,
    name: info.name,
    uid: account.metadata?.uid ?? '',
    ...(pod === undefined ? {} : { pod }),
  }
  const audiences = asked.spec?.audiences ?? []
  const status = dryRun ? undefined : await tokens.issue(subject, audiences, seconds)
  return {
    kind: 'value',
    status: 201,
    value: {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name: info.name, namespace: info.namespace },
      spec: {
        audiences: audiences.length > 0 ? audiences : tokens.apiAudiences,
        expirationSeconds: seconds,
        ...(bound === undefined ? {} : { boundObjectRef: bound }),
      },
      status,
    },
    warnings,
  }
}
