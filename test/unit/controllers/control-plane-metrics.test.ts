import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { exposition } from '../../../src/base/metric-families.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { WorkQueue } from '../../../src/client/work-queue.ts'
import { ControlPlaneMetrics } from '../../../src/controlplane/control-plane-metrics.ts'

const PROMTOOL = spawnSync('promtool', ['--version']).status === 0

test('who leads what is told as it is at that moment, and nothing of it by a control plane that is alone', async () => {
  const metrics = new ControlPlaneMetrics(new VirtualClock())
  const status = async (): Promise<readonly string[]> =>
    (await exposition(metrics.families())).text.split('\n').filter((line) => line.startsWith('leader_election'))
  assert.deepEqual(await status(), [])
  const election = { isLeader: false, close: async () => {} }
  assert.equal(metrics.follow('kube-scheduler', election), election)
  assert.deepEqual(await status(), ['leader_election_master_status{name="kube-scheduler"} 0'])
  election.isLeader = true
  assert.deepEqual(await status(), ['leader_election_master_status{name="kube-scheduler"} 1'])
})

test('promtool finds nothing to say', { skip: !PROMTOOL && 'needs promtool (Debian package prometheus)' }, async () => {
  const clock = new VirtualClock()
  const metrics = new ControlPlaneMetrics(clock)
  metrics.follow('kube-scheduler', { isLeader: true, close: async () => {} })
  metrics.queues.add('deployment', new WorkQueue(clock))
  metrics.store.record('get', '/registry/pods/a/b', 1, true)
  metrics.scheduler.attempt('scheduled', 3)
  metrics.scheduler.placed(2, 30)
  metrics.scheduler.preempted(1)
  const { text } = await exposition(metrics.families())
  const { stdout, stderr, status } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  assert.equal(`${stdout}${stderr}`, '')
  assert.equal(status, 0)
})
