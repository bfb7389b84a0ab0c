import { enableCompileCache } from 'node:module'
import type { Role } from './protocol.ts'

// Before the role's code is loaded, or its modules are not cached.
enableCompileCache()

const role = process.argv[2] as Role
switch (role) {
  case 'control-plane':
    await import('./control-plane.ts')
    break
  case 'agent':
    await import('./agent.ts')
    break
  case 'proxy':
    await import('./proxy.ts')
    break
}
