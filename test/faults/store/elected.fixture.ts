import { DEFINITIONS } from '../../../src/api/definitions/all.ts'
import { CONFIG_MAPS, NAMESPACES } from '../../../src/api/resource-type.ts'
import { isReason } from '../../../src/api/status-error.ts'
import type { Lease } from '../../../src/api/types/coordination-v1.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { Client } from '../../../src/client/client.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { runLeaderElection } from '../../../src/client/leader-election.ts'
import { createApiServer } from '../../../src/controlplane/apiserver/api-server.ts'
import { CONTROL_PLANE_USER } from '../../../src/controlplane/apiserver/user.ts'
import { openEtcdStore } from '../../../src/controlplane/store/etcd-store.ts'

/**
 * A control plane with one elected part that writes as fast as it can: `<endpoint> <identity>`. Each object says who
 * wrote it in which term. Prints `leads <term>`, `ends <term>`, `wrote <count>` and, for each refusal of a fenced write, `fenced <term>`.
 */
const [endpoint, identity] = process.argv.slice(2) as [string, string]
const WRITERS = 6
const OBJECTS = 24
const KEY = '/registry/leases/default/part'

let written = 0
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const store = await openEtcdStore({
  endpoints: [endpoint],
  clock: systemClock,
  logger: silentLogger,
  onFailure: (error) => {
    say(`failed ${error.message}`)
    process.exit(3)
  },
})
const server = await createApiServer({
  store,
  definitions: DEFINITIONS,
  admission: [],
  authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
  clock: systemClock,
  logger: silentLogger,
  random: Math.random,
  version: 'v1.36.0+wherry',
})
const client = createClient(server.transport(CONTROL_PLANE_USER))
await client.create(NAMESPACES, { metadata: { name: 'default' } }).catch((error: unknown) => {
  if (!isReason(error, 'AlreadyExists')) throw error
})

async function write(elected: Client, term: number, isOver: () => boolean): Promise<void> {
  for (let i = 0; !isOver(); i = (i + 1) % OBJECTS) {
    const metadata = { namespace: 'default', name: `m${i}` }
    const data = { writer: `${identity} ${term}`, at: `${performance.now()}` }
    try {
      await elected.patch(CONFIG_MAPS, metadata, { data }, { type: 'application/merge-patch+json' })
      written += 1
      if (written % 50 === 0) say(`wrote ${written}`)
    } catch (error) {
      if (isReason(error, 'NotFound')) await elected.create(CONFIG_MAPS, { metadata, data }).catch(() => undefined)
      else if (/no longer holds the lease/.test(String(error))) say(`fenced ${term}`)
    }
  }
}

runLeaderElection({
  client,
  namespace: 'default',
  name: 'part',
  identity,
  timings: { leaseDurationMs: 2_000, renewDeadlineMs: 1_500, retryPeriodMs: 200 },
  clock: systemClock,
  random: Math.random,
  logger: silentLogger,
  lead: ({ term, revision, isHeld }) => {
    const fence = { key: KEY, revision, isHeld: (lease: object) => isHeld(lease as Lease) }
    const elected = createClient(server.transport(CONTROL_PLANE_USER, process.env.UNFENCED === '1' ? undefined : fence))
    let isOver = false
    say(`leads ${term.transitions}`)
    const writing = Array.from({ length: WRITERS }, () => write(elected, term.transitions, () => isOver))
    return {
      async close() {
        isOver = true
        await Promise.all(writing)
        say(`ends ${term.transitions}`)
      },
    }
  },
})
