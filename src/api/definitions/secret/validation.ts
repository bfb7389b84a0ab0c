import { type FieldError, forbidden, invalid, required, tooLong } from '../../field-error.ts'
import { configMapKeyErrors } from '../../names.ts'
import type { Secret } from '../../types/core-v1.gen.ts'
import { CONFIG_BYTES_MAX } from '../config-map.ts'
import { immutableField } from '../immutable-field.ts'
import { semanticEqual } from '../semantic-equal.ts'

const ACCOUNT_NAME = 'kubernetes.io/service-account.name'
const IMMUTABLE = 'field is immutable when `immutable` is set'

function present(secret: Secret, key: string): readonly FieldError[] {
  return Object.hasOwn(secret.data ?? {}, key) ? [] : [required(`data[${key}]`)]
}

function dockerConfig(secret: Secret, key: string): readonly FieldError[] {
  const missing = present(secret, key)
  if (missing.length > 0) return missing
  try {
    const parsed: unknown = JSON.parse(Buffer.from(secret.data![key]!, 'base64').toString('utf8'))
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return []
    return [invalid(`data[${key}]`, '<secret contents redacted>', 'must be a JSON object')]
  } catch {
    return [invalid(`data[${key}]`, '<secret contents redacted>', 'must be valid JSON')]
  }
}

/** What a Secret of each type has to hold. */
const RULES: Readonly<Record<string, (secret: Secret) => readonly FieldError[]>> = {
  'kubernetes.io/service-account-token': (secret) =>
    secret.metadata?.annotations?.[ACCOUNT_NAME] ? [] : [required(`metadata.annotations[${ACCOUNT_NAME}]`)],
  'kubernetes.io/dockercfg': (secret) => dockerConfig(secret, '.dockercfg'),
  'kubernetes.io/dockerconfigjson': (secret) => dockerConfig(secret, '.dockerconfigjson'),
  'kubernetes.io/basic-auth': (secret) => {
    const missing = [...present(secret, 'username'), ...present(secret, 'password')]
    return missing.length === 2 ? missing : []
  },
  'kubernetes.io/ssh-auth': (secret) => (secret.data?.['ssh-privatekey'] ? [] : [required('data[ssh-privatekey]')]),
  'kubernetes.io/tls': (secret) => [...present(secret, 'tls.crt'), ...present(secret, 'tls.key')],
}

export function validateSecret(secret: Secret): readonly FieldError[] {
  const errors: FieldError[] = []
  let bytes = 0
  for (const [key, value] of Object.entries(secret.data ?? {})) {
    for (const text of configMapKeyErrors(key)) errors.push(invalid(`data[${key}]`, key, text))
    bytes += Buffer.byteLength(value, 'base64')
  }
  if (bytes > CONFIG_BYTES_MAX) errors.push(tooLong('data', CONFIG_BYTES_MAX))
  const type = secret.type ?? ''
  return Object.hasOwn(RULES, type) ? [...errors, ...RULES[type]!(secret)] : errors
}

export function validateSecretUpdate(next: Secret, previous: Secret): readonly FieldError[] {
  const errors = [...immutableField(next.type, previous.type, 'type')]
  if (previous.immutable !== true) return errors
  if (next.immutable !== true) errors.push(forbidden('immutable', IMMUTABLE))
  if (!semanticEqual(next.data ?? {}, previous.data ?? {})) errors.push(forbidden('data', IMMUTABLE))
  return errors
}
