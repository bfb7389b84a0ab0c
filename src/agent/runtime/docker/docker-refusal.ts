import type { ContainerConfig } from '../runtime.ts'

const PROFILES = ['RuntimeDefault', 'Unconfined']

/** What an engine cannot be asked for, in a sentence; undefined when the container can run as it asks to. */
export function dockerRefusal({ name, securityContext: c }: ContainerConfig): string | undefined {
  const refused =
    c.seccompProfile !== undefined && !PROFILES.includes(c.seccompProfile)
      ? `seccompProfile ${c.seccompProfile}`
      : c.appArmorProfile !== undefined && !PROFILES.includes(c.appArmorProfile)
        ? `appArmorProfile ${c.appArmorProfile}`
        : c.seLinux === true
          ? 'seLinuxOptions'
          : c.hostUsers === false
            ? 'hostUsers: false (no user namespace of its own)'
            : undefined
  return refused === undefined
    ? undefined
    : `the docker runtime cannot enforce securityContext.${refused} of container "${name}"`
}
