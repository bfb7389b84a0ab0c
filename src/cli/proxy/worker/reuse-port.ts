/** Whether several processes can listen on one port by themselves: Linux, and Node 23.1 on, which knows the option. */
export function canReusePort(nodeVersion: string, platform: string): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  return platform === 'linux' && (major > 23 || (major === 23 && minor >= 1))
}
