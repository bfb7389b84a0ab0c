import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { openEtcdStore } from '../../../src/controlplane/store/etcd-store.ts'
import { ETCD_MISSING, startEtcd } from '../../harness/etcd-server.ts'
import { eventually } from '../../harness/eventually.ts'

/** How many leaders are paused for longer than their lease; `WHERRY_PAUSES=1000` for the long run. */
const PAUSES = Number(process.env.WHERRY_PAUSES ?? 4)
const FIXTURE = fileURLToPath(new URL('./elected.fixture.ts', import.meta.url))

class ControlPlane {
  readonly identity: string
  readonly child: ChildProcess
  readonly lines: string[] = []

  constructor(endpoint: string, identity: string) {
    this.identity = identity
    this.child = spawn(process.execPath, [FIXTURE, endpoint, identity], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => this.lines.push(...text.trim().split('\n')))
  }

  /** Whether it believes that it leads. */
  get leads(): boolean {
    const leads = this.lines.findLastIndex((line) => line.startsWith('leads'))
    return leads > this.lines.findLastIndex((line) => line.startsWith('ends'))
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }
}

interface Written {
  readonly data?: { readonly writer?: string }
  readonly spec?: { readonly holderIdentity?: string; readonly leaseTransitions?: number }
}

describe('two control planes on one etcd', { skip: ETCD_MISSING }, () => {
  it(`accept no write of a leader that was paused for longer than its lease, in ${PAUSES} rounds`, async () => {
    const etcd = await startEtcd()
    const endpoint = etcd.endpoints[0]!
    const planes = [new ControlPlane(endpoint, 'a'), new ControlPlane(endpoint, 'b')]
    try {
      const leaderIs = (plane: ControlPlane): Promise<true> =>
        eventually(() => (plane.leads ? true : undefined), 30_000, `${plane.identity} leads`)
      let leader = await eventually(() => planes.find(({ leads }) => leads), 30_000, 'a leader')
      for (let round = 0; round < PAUSES; round++) {
        const other = planes.find((plane) => plane !== leader)!
        await eventually(
          () => leader.lines.findLast((line) => /^(wrote|leads)/.test(line))?.startsWith('wrote') || undefined,
        )
        leader.child.kill('SIGSTOP')
        await leaderIs(other)
        leader.child.kill('SIGCONT')
        await eventually(() => (leader.leads ? undefined : true), 30_000, `${leader.identity} ends`)
        leader = other
      }
      await Promise.all(planes.map((plane) => plane.end()))
      const { writes, terms } = await checkHistory(endpoint)
      assert(terms > PAUSES, `${terms} terms`)
      assert(writes > PAUSES * 50, `${writes} writes`)
      // A round in which the old leader does not even try would prove nothing.
      const fenced = planes.flatMap(({ lines }) => lines).filter((line) => line.startsWith('fenced')).length
      assert(fenced > 0, 'some write came too late')
    } finally {
      for (const { child } of planes) child.kill('SIGCONT')
      await Promise.all(planes.map((plane) => plane.end()))
      await etcd.close()
    }
  })
})

/** Goes through all that etcd has been told, in order: each write must be of the term that held the lease just then. */
async function checkHistory(endpoint: string): Promise<{ readonly writes: number; readonly terms: number }> {
  const store = await openEtcdStore({
    endpoints: [endpoint],
    clock: systemClock,
    logger: silentLogger,
    onFailure: (error) => assert.fail(error),
  })
  try {
    const last = await store.currentRevision()
    const end = await store.commit({
      expect: [],
      puts: [{ key: '/registry/end', value: Buffer.from('{}') }],
      deletes: [],
    })
    assert.equal(end.revision, last + 1n)
    let holder = ''
    let writes = 0
    const terms = new Set<string>()
    const stale: string[] = []
    for await (const batch of store.watch('/registry/', 2n, new AbortController().signal)) {
      for (const event of batch) {
        if (event.key === '/registry/end') {
          assert.deepEqual(stale, [], 'stale writes that were accepted')
          return { writes, terms: terms.size }
        }
        if (event.type !== 'put') continue
        const { data, spec } = JSON.parse(Buffer.from(event.value).toString()) as Written
        if (event.key === '/registry/leases/default/part') {
          holder = `${spec?.holderIdentity} ${spec?.leaseTransitions}`
          terms.add(holder)
        } else if (event.key.startsWith('/registry/configmaps/')) {
          writes += 1
          if (data?.writer !== holder)
            stale.push(`${event.modRevision}: ${data?.writer} while ${holder} held the lease`)
        }
      }
    }
    throw new Error('the watch ended')
  } finally {
    await store.close()
  }
}
