#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

// Before anything else is loaded: a second start then skips compiling, which is most of the start-up time.
enableCompileCache()
const { runProgram } = await import('./program.ts')
await runProgram(process.argv)
