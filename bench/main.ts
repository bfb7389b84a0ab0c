/**
 * `npm run bench`: every measurement, one after the other, each in a process of its own; `npm run bench -- api store`
 * runs those whose name holds one of the words. The figures of one run belong together: compare ratios, not times.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { basename } from 'node:path'
import { describeMachine } from './describe-machine.ts'

const words = process.argv.slice(2)
const files = globSync('bench/*.bench.ts')
  .sort()
  .filter((file) => words.length === 0 || words.some((word) => basename(file).includes(word)))
if (files.length === 0) {
  process.stderr.write(
    `no benchmark is called ${words.join(' or ')}; there are: ${globSync('bench/*.bench.ts')
      .map((file) => basename(file, '.bench.ts'))
      .sort()
      .join(', ')}\n`,
  )
  process.exit(1)
}
process.stdout.write(`${describeMachine()}\n`)
let failed = 0
for (const [i, file] of files.entries()) {
  process.stdout.write(`\n== ${basename(file, '.bench.ts')} (${i + 1} of ${files.length})\n`)
  if (spawnSync(process.execPath, [file], { stdio: 'inherit' }).status !== 0) failed += 1
}
process.exit(failed === 0 ? 0 : 1)
