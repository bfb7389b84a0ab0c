import { enableCompileCache } from 'node:module'
import type { Role } from './protocol.ts'

// Before the role's code is loaded, or its modules are not cached.
enableCompileCache()
const { runChild } = await import('./run-child.ts')

const role = process.argv[2] as Role
switch (role) {
  case 'control-plane':
    runChild(role, (await import('./control-plane.ts')).runControlPlane)
    break
  case 'agent':
    runChild(role, (await import('./agent.ts')).runAgent)
    break
  case 'proxy':
    runChild(role, (await import('./proxy.ts')).runProxy)
    break
}
