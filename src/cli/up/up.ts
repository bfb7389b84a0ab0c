import { ROLES } from '../processes/protocol.ts'
import { WHERRY_VERSION } from '../version.ts'
import { type PrepareOptions, prepareCluster } from './prepare-cluster.ts'
import { choicesText, readyText } from './screen.ts'
import { supervise } from './supervise.ts'

/** `wherry up`: starts the cluster and resolves when it has been stopped. */
export async function up(options: PrepareOptions): Promise<void> {
  const { config, ended, release } = await prepareCluster(options)
  if (ended.length > 0) process.stdout.write(`Ended what an earlier start left behind: ${ended.join(', ')}.\n`)
  process.stdout.write(choicesText(config, WHERRY_VERSION))
  try {
    await supervise({
      config,
      roles: ROLES,
      readyText: (ms) => readyText(config.layout, config.apiPort, config.kubeconfig, ms),
      stoppingText: 'Stopping: containers, proxy, control plane.\n',
    })
  } finally {
    // Its listener would keep this process alive.
    release()
  }
}
