/**
 * `npm run build`: compiles `src/` to `dist/`, which is what `npm start` and the published package run. Plain
 * JavaScript, so that a start need not load the stripping of types only to find that everything is built.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const STAMP = join(ROOT, 'dist', '.built')
const INPUTS = ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json'].map((name) => join(ROOT, name))

/** @param {string} path A file, or a folder of which every entry counts: a removed file changes its folder. */
function newestMs(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return readdirSync(path).reduce((newest, name) => Math.max(newest, newestMs(join(path, name))), stat.mtimeMs)
}

/** True when `dist/` does not hold what `src/` says. */
export function isStale() {
  try {
    const builtMs = statSync(STAMP).mtimeMs
    return INPUTS.some((path) => newestMs(path) > builtMs)
  } catch {
    return true
  }
}

/** Compiles beside `dist/` and puts the result in its place; a failed build leaves what was there. Ends the process on errors. Returns milliseconds. */
export function build() {
  const beganMs = performance.now()
  const stamp = new Date()
  const target = join(ROOT, 'dist.new')
  rmSync(target, { recursive: true, force: true })
  const { status, error } = spawnSync('tsc', ['-p', 'tsconfig.build.json', '--noCheck', '--outDir', 'dist.new'], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env.PATH}` },
  })
  if (error !== undefined)
    process.stderr.write(`the compiler could not be started: ${error.message}; run npm ci first\n`)
  if (status !== 0) process.exit(status ?? 1)
  // The tables that are read or imported as data.
  for (const file of globSync('src/**/*.json', { cwd: ROOT }))
    cpSync(join(ROOT, file), join(target, file.slice('src/'.length)))
  // What is edited while the compiler runs counts as newer.
  writeFileSync(join(target, '.built'), '')
  utimesSync(join(target, '.built'), stamp, stamp)
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true })
  renameSync(target, join(ROOT, 'dist'))
  return performance.now() - beganMs
}

if (import.meta.main) build()
