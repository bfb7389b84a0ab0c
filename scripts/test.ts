/**
 * `npm test`: lint, types, then every test this machine can run. `npm test -- <word>…` runs only the test files whose
 * path holds one of the words, without lint and types. What a machine cannot run skips with a reason that names the
 * missing part; the reasons are printed together at the end, and counted. `WHERRY_SEED=random npm test` has properties
 * draw other inputs than usual.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

interface Totals {
  passed: number
  failed: number
  readonly failures: string[]
  readonly skips: Map<string, string[]>
}

const PROPERTY_SEED = new URL('../test/harness/property-seed.ts', import.meta.url).href
const words = process.argv.slice(2)
const totals: Totals = { passed: 0, failed: 0, failures: [], skips: new Map() }

function step(name: string, command: string, args: readonly string[]): void {
  const began = performance.now()
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  process.stdout.write(`${status === 0 ? '✓' : '✗'} ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)\n`)
  if (status !== 0) process.exit(1)
}

/** Runs the files and adds up what happened; `concurrency` is how many files run at once, `timeoutMs` what one file may take. */
async function runFiles(files: readonly string[], concurrency: number, timeoutMs: number): Promise<void> {
  if (files.length === 0) return
  const stream = run({ files: [...files], concurrency, timeout: timeoutMs, execArgv: ['--import', PROPERTY_SEED] })
  stream.on('test:pass', (event) => {
    if (event.details.type === 'suite') return
    if (event.skip === undefined || event.skip === false) totals.passed += 1
    else {
      const reason = typeof event.skip === 'string' ? event.skip : 'no reason given'
      totals.skips.set(reason, [...(totals.skips.get(reason) ?? []), event.name])
    }
  })
  stream.on('test:fail', (event) => {
    if (event.details.type === 'suite') return
    totals.failed += 1
    const { cause, message } = event.details.error
    const said = cause instanceof Error ? cause.message : message
    totals.failures.push(`${event.name} (${event.file ?? ''}): ${said.trim()}`)
  })
  stream.compose(new spec()).pipe(process.stdout, { end: false })
  await new Promise((resolve) => stream.on('end', resolve))
}

const files = globSync('test/**/*.test.ts')
  .sort()
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
if (files.length === 0) {
  process.stderr.write(`no test file's path holds ${words.join(' or ')}\n`)
  process.exit(1)
}
if (words.length === 0) {
  step('lint', 'npm', ['run', '-s', 'lint'])
  step('types', 'npm', ['run', '-s', 'typecheck'])
}
const unit = files.filter((file) => file.startsWith('test/unit/'))
await runFiles(unit, 2, 240_000)
// These start clusters, measure nothing, but need the machine for themselves to keep their time limits honest.
await runFiles(
  files.filter((file) => !unit.includes(file)),
  1,
  600_000,
)

const skipped = [...totals.skips.values()].flat().length
for (const [reason, names] of totals.skips) {
  process.stdout.write(`skipped: ${reason}\n${names.map((name) => `    ${name}\n`).join('')}`)
}
for (const failure of totals.failures) process.stdout.write(`failed: ${failure}\n`)
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${skipped} skipped\n`)
process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1)
