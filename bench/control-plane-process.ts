/**
 * A control plane on SQLite in a process of its own, for measurements from outside: `node … <data directory>`. Tells
 * its parent where it listens and who may come in, and ends when the parent does.
 */
import { join } from 'node:path'
import { addressLayout } from '../src/base/address-layout.ts'
import { systemClock } from '../src/base/clock.ts'
import { silentLogger } from '../src/base/logger.ts'
import { startControlPlane } from '../src/controlplane/control-plane.ts'
import { openSqliteStore } from '../src/controlplane/store/sqlite-store.ts'

/** What the parent is told. */
export interface ControlPlaneAddress {
  readonly port: number
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** An octet that no cluster on this machine is likely to have: nothing of it is dialled here. */
const OCTET = 125

async function main(dataDir: string): Promise<void> {
  const fail = (error: Error): void => {
    process.stderr.write(`${error.stack}\n`)
    process.exit(1)
  }
  const controlPlane = await startControlPlane({
    clusterName: 'bench',
    dataDir,
    layout: addressLayout(OCTET, 'bench', 1),
    apiPort: 0,
    kubeconfig: join(dataDir, 'kubeconfig'),
    openStore: (onFailure) => openSqliteStore({ path: join(dataDir, 'store', 'wherry.db'), onFailure }),
    clock: systemClock,
    logger: silentLogger,
    random: Math.random,
    phase: (_, step) => step(),
    onFailure: fail,
    privilegedPorts: false,
  })
  const { pki, apiPort: port } = controlPlane
  process.send!({ port, ca: pki.caPem, ...pki.admin } satisfies ControlPlaneAddress)
  process.on('disconnect', () => void controlPlane.close().then(() => process.exit(0)))
}

await main(process.argv[2]!)
