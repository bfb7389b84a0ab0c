/** A query parameter by its name, with its JSON type. */
export interface QueryParameter {
  readonly name: string
  readonly type: 'boolean' | 'integer' | 'string'
}

const TYPES: Readonly<Record<string, 'boolean' | 'integer'>> = {
  allowWatchBookmarks: 'boolean',
  follow: 'boolean',
  gracePeriodSeconds: 'integer',
  insecureSkipTLSVerifyBackend: 'boolean',
  limit: 'integer',
  limitBytes: 'integer',
  orphanDependents: 'boolean',
  previous: 'boolean',
  sendInitialEvents: 'boolean',
  sinceSeconds: 'integer',
  tailLines: 'integer',
  timeoutSeconds: 'integer',
  timestamps: 'boolean',
  watch: 'boolean',
}

function parameters(...names: readonly string[]): readonly QueryParameter[] {
  return names.map((name) => ({ name, type: TYPES[name] ?? 'string' }))
}

const LIST_FILTERS = ['continue', 'fieldSelector', 'labelSelector', 'limit', 'resourceVersion', 'resourceVersionMatch']

/** What a request of each action may carry in its query. kubectl looks here for `dryRun` and `fieldValidation`. */
export const QUERY_PARAMETERS = {
  get: parameters('pretty'),
  list: parameters('pretty', 'allowWatchBookmarks', ...LIST_FILTERS, 'sendInitialEvents', 'timeoutSeconds', 'watch'),
  write: parameters('pretty', 'dryRun', 'fieldManager', 'fieldValidation'),
  delete: parameters('pretty', 'dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'),
  deletecollection: parameters(
    'pretty',
    ...LIST_FILTERS,
    'dryRun',
    'gracePeriodSeconds',
    'orphanDependents',
    'propagationPolicy',
    'timeoutSeconds',
  ),
  log: parameters(
    'pretty',
    'container',
    'follow',
    'insecureSkipTLSVerifyBackend',
    'limitBytes',
    'previous',
    'sinceSeconds',
    'stream',
    'tailLines',
    'timestamps',
  ),
} as const satisfies Readonly<Record<string, readonly QueryParameter[]>>
