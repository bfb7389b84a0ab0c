const SAFE_NAME = /^[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?$/i

/** True for what may become one component of a path; uids, container and volume names always do. */
export function isSafeName(name: string): boolean {
  return SAFE_NAME.test(name)
}
