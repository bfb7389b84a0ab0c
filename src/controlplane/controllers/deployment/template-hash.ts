import { SAFE_LETTERS } from '../../../api/safe-letters.ts'
import type { PodTemplateSpec } from '../../../api/types/core-v1.gen.ts'
import { sameValue } from '../same-value.ts'

export const TEMPLATE_HASH_LABEL = 'pod-template-hash'

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`
}

/** FNV-1a, 32 bits, of UTF-16 code units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** A short name for a pod template, the same for the same template; `collisionCount` gives another where two clash. */
export function templateHash(template: PodTemplateSpec, collisionCount: number): string {
  const digits = String(fnv1a(`${canonical(template)}#${collisionCount}`))
  return [...digits].map((digit) => SAFE_LETTERS[digit.charCodeAt(0) % SAFE_LETTERS.length]).join('')
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const { labels = {}, ...metadata } = template?.metadata ?? {}
  const { [TEMPLATE_HASH_LABEL]: _, ...others } = labels
  return { ...template, metadata: { ...metadata, labels: others } }
}

/** True when two templates differ in nothing but the hash label. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return sameValue(withoutHash(a), withoutHash(b))
}
