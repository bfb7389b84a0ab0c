/** `npm run build`: compiles `src/` to `dist/`, which is what the published package runs. */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
// The tables that are read or imported as data.
for (const file of globSync('src/**/*.json')) cpSync(file, file.replace(/^src/, 'dist'))
