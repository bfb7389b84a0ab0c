import type { ContainerConfig, EffectiveSecurityContext } from '../runtime.ts'

/** Who the containers of this runtime run as, and what it has to change that. */
export interface HostIdentity {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  /** Path of util-linux' `setpriv`, which sets ids, bounding set and no_new_privs before the command runs. */
  readonly setpriv: string | undefined
  /** Path of util-linux' `script`, which makes terminals. */
  readonly script: string | undefined
}

const IMAGE_RUNTIMES = 'docker'

/**
 * Why the process runtime cannot run this container as it asks to be run, in a sentence; undefined when it can. What
 * it cannot enforce it refuses, rather than let a manifest promise a protection that is not there.
 */
export function processRefusal(config: ContainerConfig, host: HostIdentity): string | undefined {
  if (config.command.length === 0) {
    return (
      `container "${config.name}" has no command: the process runtime runs commands on the host and cannot run the ` +
      `image "${config.image}"; set command, or use a runtime that runs images (${IMAGE_RUNTIMES})`
    )
  }
  const context = config.securityContext
  const refused = unenforceable(context, host)
  return refused === undefined
    ? undefined
    : `the process runtime cannot enforce securityContext.${refused} of container "${config.name}"`
}

function unenforceable(c: EffectiveSecurityContext, host: HostIdentity): string | undefined {
  const canChange = host.uid === 0 && host.setpriv !== undefined
  const without = host.uid === 0 ? 'setpriv (util-linux) is missing' : `wherry runs as user ${host.uid}`
  if (c.privileged === true) return 'privileged: containers are plain processes of the host'
  if (c.readOnlyRootFilesystem === true) return 'readOnlyRootFilesystem: containers share the host’s file system'
  if (c.runAsNonRoot === true && (c.runAsUser ?? host.uid) === 0) return 'runAsNonRoot: it would run as root'
  if (c.runAsUser !== undefined && c.runAsUser !== host.uid && !canChange) return `runAsUser ${c.runAsUser}: ${without}`
  if (c.runAsGroup !== undefined && c.runAsGroup !== host.gid && !canChange)
    return `runAsGroup ${c.runAsGroup}: ${without}`
  if (c.fsGroup !== undefined && c.fsGroup !== host.gid)
    return `fsGroup ${c.fsGroup}: volumes belong to group ${host.gid}`
  const foreign = c.supplementalGroups?.find((group) => group !== host.gid && !host.groups.includes(group))
  if (foreign !== undefined && !canChange) return `supplementalGroups ${foreign}: ${without}`
  if (c.allowPrivilegeEscalation === false && host.setpriv === undefined)
    return 'allowPrivilegeEscalation: setpriv (util-linux) is missing'
  if ((c.capabilities?.add ?? []).length > 0) return 'capabilities.add'
  // An unprivileged process has none to drop.
  if ((c.capabilities?.drop ?? []).length > 0 && host.uid === 0 && !canChange) return `capabilities.drop: ${without}`
  if (c.seccompProfile !== undefined && c.seccompProfile !== 'Unconfined') return `seccompProfile ${c.seccompProfile}`
  if (c.appArmorProfile !== undefined && c.appArmorProfile !== 'Unconfined')
    return `appArmorProfile ${c.appArmorProfile}`
  if (c.procMount !== undefined && c.procMount !== 'Default') return `procMount ${c.procMount}`
  if (c.seLinux === true) return 'seLinuxOptions'
  if ((c.sysctls ?? []).length > 0) return `sysctls: ${c.sysctls!.join(', ')} would change the host`
  if (c.hostUsers === false) return 'hostUsers: false (no user namespace of its own)'
  return undefined
}

/** `setpriv` with what this container asks for, to stand before its command; empty when nothing has to change. */
export function privilegePrefix(c: EffectiveSecurityContext, host: HostIdentity): readonly string[] {
  const options: string[] = []
  const uid = c.runAsUser ?? host.uid
  const gid = c.runAsGroup ?? (uid === host.uid ? host.gid : 0)
  if (uid !== host.uid) options.push(`--reuid=${uid}`)
  if (gid !== host.gid) options.push(`--regid=${gid}`)
  if (host.uid === 0) {
    const groups = c.supplementalGroups ?? []
    if (groups.length > 0) options.push(`--groups=${groups.join(',')}`)
    else if (uid !== host.uid || gid !== host.gid) options.push('--clear-groups')
    const dropped = (c.capabilities?.drop ?? []).map((name) => `-${name.toLowerCase().replace(/^cap_/, '')}`).join(',')
    if (dropped !== '') options.push(`--bounding-set=${dropped}`, `--inh-caps=${dropped}`)
  }
  if (c.allowPrivilegeEscalation === false) options.push('--no-new-privs')
  return options.length === 0 ? [] : [host.setpriv!, ...options, '--']
}
