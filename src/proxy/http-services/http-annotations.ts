export const ANNOTATION_PREFIX = 'wherry.dev/'

/** What annotations of a Service may say of its HTTP ports; README.md tells what each takes. */
export const HTTP_ANNOTATIONS = [
  'algorithm',
  'hash',
  'sticky',
  'timeout',
  'per-try-timeout',
  'retries',
  'retry-on',
  'outlier-detection',
  'slow-start',
  'max-connections',
  'max-requests',
] as const

export type HttpAnnotation = (typeof HTTP_ANNOTATIONS)[number]
