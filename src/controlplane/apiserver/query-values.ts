/** A flag of a query as Kubernetes reads it: `false` and `0` are no, anything else that is there is yes, `?watch` too. */
export function flag(query: URLSearchParams, name: string): boolean | undefined {
  if (query.size === 0) return undefined
  const value = query.get(name)
  return value === null ? undefined : value !== '0' && value.toLowerCase() !== 'false'
}
