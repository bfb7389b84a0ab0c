/** A process that starts containers as an agent does and then waits to be killed: `agent-child.ts <directory> <count>`. */
import { ProcessRuntime } from '../../../src/agent/runtime/process/process-runtime.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { container, POD_UID, sandboxConfig } from '../../unit/agent/runtime-fixture.ts'

const [directory = '', count = '1'] = process.argv.slice(2)
const runtime = new ProcessRuntime({ directory, version: '0', clock: systemClock, logger: silentLogger })
await runtime.createSandbox(sandboxConfig(directory))
// Counts without end, so that a line that was lost or written twice shows.
const script = 'let i = 0; setInterval(() => console.log(i++), 5)'
for (let i = 0; i < Number(count); i++) {
  await runtime.startContainer(container(['node', '-e', script], { name: `c${i}` }))
  process.stdout.write(`${POD_UID}.c${i}.0\n`)
}
setInterval(() => {}, 1000)
