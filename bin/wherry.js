#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `wherry needs Node 22.18 or newer; this is ${process.version} (${process.execPath}).\n  Install a newer Node, or in a clone use: npm start\n`,
  )
  process.exit(1)
}
await import('../dist/cli/main.js')
