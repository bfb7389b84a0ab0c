import { agentChoicesText, agentReadyText } from '../up/screen.ts'
import { supervise } from '../up/supervise.ts'
import { WHERRY_VERSION } from '../version.ts'
import { type AgentOptions, prepareAgent } from './prepare-agent.ts'

/** `wherry agent`: the nodes of a machine and its proxy; resolves when it has been stopped. */
export async function agent(options: AgentOptions): Promise<void> {
  const { config, ended, release } = await prepareAgent(options)
  if (ended.length > 0) process.stdout.write(`Ended what an earlier start left behind: ${ended.join(', ')}.\n`)
  process.stdout.write(agentChoicesText(config, WHERRY_VERSION))
  try {
    await supervise({
      config,
      roles: ['agent', 'proxy'],
      readyText: (ms) => agentReadyText(config, ms),
      stoppingText: 'Stopping: containers, proxy.\n',
    })
  } finally {
    // Its listener would keep this process alive.
    release()
  }
}
