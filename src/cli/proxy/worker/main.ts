import { enableCompileCache } from 'node:module'

// Before anything else is loaded, or it is not cached.
enableCompileCache()
const { runWorker } = await import('./run-worker.ts')
runWorker()
