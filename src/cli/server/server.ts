import { agentTokenFile, serverTokenFile } from '../../controlplane/membership/cluster-token.ts'
import { writeClusterRecord } from '../up/cluster-record.ts'
import { serverChoicesText, serverReadyText } from '../up/screen.ts'
import { supervise } from '../up/supervise.ts'
import { WHERRY_VERSION } from '../version.ts'
import { prepareServer, type ServerOptions } from './prepare-server.ts'

/** `wherry server`: a control plane without nodes; resolves when it has been stopped. */
export async function server(options: ServerOptions): Promise<void> {
  const { config, record, ended } = await prepareServer(options)
  const { dataDir } = config
  if (ended.length > 0) process.stdout.write(`Ended what an earlier start left behind: ${ended.join(', ')}.\n`)
  process.stdout.write(serverChoicesText(config, WHERRY_VERSION))
  await supervise({
    config,
    roles: ['control-plane'],
    readyText(ms, cluster) {
      // Which cluster it has joined is known only now.
      if (cluster !== undefined) writeClusterRecord(dataDir, { ...record, ...cluster })
      return serverReadyText({
        config,
        clusterName: cluster?.name ?? record.name,
        serverTokenFile: serverTokenFile(dataDir),
        agentTokenFile: agentTokenFile(dataDir),
        ms,
      })
    },
    stoppingText: 'Stopping the control plane.\n',
  })
}
