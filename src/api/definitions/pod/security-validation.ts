import { type FieldError, invalid, notSupported, required } from '../../field-error.ts'
import type { PodSecurityContext, SecurityContext } from '../../types/core-v1.gen.ts'

const ID_MAX = 2 ** 31 - 1
const PROFILES = ['Localhost', 'RuntimeDefault', 'Unconfined']
const SYSCTL_PART = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const SYSCTL = `(${SYSCTL_PART}[\\./])*${SYSCTL_PART}`
const SYSCTL_RE = new RegExp(`^(?:${SYSCTL_PART}[./])*${SYSCTL_PART}$`)

function validateId(id: number | undefined, path: string): readonly FieldError[] {
  return id !== undefined && (id < 0 || id > ID_MAX)
    ? [invalid(path, id, `must be between 0 and ${ID_MAX}, inclusive`)]
    : []
}

function oneOf(value: string | undefined, path: string, choices: readonly string[]): readonly FieldError[] {
  return value !== undefined && !choices.includes(value) ? [notSupported(path, value, choices)] : []
}

interface Profile {
  readonly type?: string
  readonly localhostProfile?: string
}

function validateProfile(profile: Profile | undefined, path: string, what: string): readonly FieldError[] {
  if (profile === undefined) return []
  const { type, localhostProfile } = profile
  if (!type) return [required(`${path}.type`, `type is required when ${what} is set`)]
  if (!PROFILES.includes(type)) return [notSupported(`${path}.type`, type, PROFILES)]
  const at = `${path}.localhostProfile`
  if (type === 'Localhost' && !localhostProfile) return [required(at, `must be set when ${what} type is Localhost`)]
  if (type !== 'Localhost' && localhostProfile !== undefined)
    return [invalid(at, localhostProfile, `can only be set when ${what} type is Localhost`)]
  if (localhostProfile?.startsWith('/') || localhostProfile?.split('/').includes('..'))
    return [invalid(at, localhostProfile, "must be a relative path and must not contain '..'")]
  return []
}

/** Findings on a pod's security context. */
export function validatePodSecurity(
  context: PodSecurityContext | undefined,
  path: string,
  hostNetwork: boolean,
): readonly FieldError[] {
  if (context === undefined) return []
  const errors = [
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
    ...validateId(context.fsGroup, `${path}.fsGroup`),
    ...(context.supplementalGroups ?? []).flatMap((id, i) => validateId(id, `${path}.supplementalGroups[${i}]`)),
    ...oneOf(context.fsGroupChangePolicy, `${path}.fsGroupChangePolicy`, ['Always', 'OnRootMismatch']),
    ...oneOf(context.supplementalGroupsPolicy, `${path}.supplementalGroupsPolicy`, ['Merge', 'Strict']),
    ...oneOf(context.seLinuxChangePolicy, `${path}.seLinuxChangePolicy`, ['MountOption', 'Recursive']),
    ...validateProfile(context.seccompProfile, `${path}.seccompProfile`, 'seccomp'),
    ...validateProfile(context.appArmorProfile, `${path}.appArmorProfile`, 'appArmorProfile'),
  ]
  const names = new Set<string>()
  for (const [i, { name }] of (context.sysctls ?? []).entries()) {
    const at = `${path}.sysctls[${i}].name`
    if (!name) errors.push(required(at))
    else if (name.length > 253 || !SYSCTL_RE.test(name))
      errors.push(invalid(at, name, `must have at most 253 characters and match regex ^${SYSCTL}$`))
    else if (names.has(name)) errors.push({ path: at, reason: 'FieldValueDuplicate', value: name, detail: '' })
    else if (hostNetwork && name.replaceAll('/', '.').startsWith('net.'))
      errors.push(invalid(at, name, "may not be specified when 'hostNetwork' is true"))
    names.add(name)
  }
  return errors
}

/** Findings on a container's security context. */
export function validateContainerSecurity(context: SecurityContext | undefined, path: string): readonly FieldError[] {
  if (context === undefined) return []
  const errors = [
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
    ...oneOf(context.procMount, `${path}.procMount`, ['Default', 'Unmasked']),
    ...validateProfile(context.seccompProfile, `${path}.seccompProfile`, 'seccomp'),
    ...validateProfile(context.appArmorProfile, `${path}.appArmorProfile`, 'appArmorProfile'),
  ]
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true) {
      const text = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'
      errors.push(invalid(path, context, text))
    }
    if (context.capabilities?.add?.some((name) => name === 'CAP_SYS_ADMIN')) {
      const text = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'
      errors.push(invalid(path, context, text))
    }
  }
  return errors
}
