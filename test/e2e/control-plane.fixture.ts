import { join } from 'node:path'
import { addressLayout } from '../../src/base/address-layout.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { startControlPlane } from '../../src/controlplane/control-plane.ts'
import { openEtcdStore } from '../../src/controlplane/store/etcd-store.ts'

/**
 * One control plane of several on one etcd: `<endpoint> <data directory> <octet> [client-go]`, with a lease of 5 s or
 * with client-go's own timings. Prints `ready`; SIGTERM ends it in order.
 */
const [endpoint, dataDir, octet, timings] = process.argv.slice(2) as [string, string, string, string?]
const QUICK = { leaseDurationMs: 5_000, renewDeadlineMs: 3_500, retryPeriodMs: 500 }

const controlPlane = await startControlPlane({
  clusterName: 'shared',
  dataDir,
  layout: addressLayout(Number(octet), 'shared', 1),
  apiPort: 0,
  kubeconfig: join(dataDir, 'kubeconfig'),
  openStore: (onFailure) =>
    openEtcdStore({ endpoints: [endpoint], clock: systemClock, logger: silentLogger, onFailure }),
  election: { identity: dataDir, ...(timings === 'client-go' ? {} : { timings: QUICK }) },
  clock: systemClock,
  logger: silentLogger,
  random: Math.random,
  phase: (_name, step) => step(),
  onFailure: (error) => {
    process.stderr.write(`${error.message}\n`)
    process.exit(3)
  },
  privilegedPorts: false,
})
process.stdout.write('ready\n')
process.once('SIGTERM', async () => {
  await controlPlane.close()
  process.exit(0)
})
