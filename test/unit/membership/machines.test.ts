import assert from 'node:assert/strict'
import { test } from 'node:test'
import { registerMachine } from '../../../src/controlplane/membership/machines.ts'
import { type Machine, type MachineRequest, planMachine } from '../../../src/controlplane/membership/machines-plan.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'

const machine = (name: string, ...nodes: number[]): Machine => ({ name, secretHash: `of-${name}`, nodes })
const request = (name: string, count: number, more: Partial<MachineRequest> = {}): MachineRequest => ({
  name,
  secretHash: `of-${name}`,
  count,
  ...more,
})
const isThere = (): boolean => false

function nodes(
  machines: readonly Machine[],
  asked: MachineRequest,
  isGone: (m: Machine) => boolean = isThere,
): unknown {
  const plan = planMachine(machines, asked, 5, isGone)
  return plan.kind === 'granted' ? plan.nodes : plan
}

const ROWS: readonly { name: string; given: readonly [readonly Machine[], MachineRequest]; want: unknown }[] = [
  { name: 'the first machine has the first numbers', given: [[], request('a', 2)], want: [1, 2] },
  { name: 'the next one goes on behind', given: [[machine('a', 1, 2)], request('b', 1)], want: [3] },
  { name: 'gaps are filled', given: [[machine('a', 1, 3)], request('b', 2)], want: [2, 4] },
  { name: 'a machine that asks again has what it had', given: [[machine('a', 2)], request('a', 1)], want: [2] },
  { name: 'one that wants more keeps what it has', given: [[machine('a', 2)], request('a', 2)], want: [2, 1] },
  { name: 'one that wants fewer leaves the last', given: [[machine('a', 2, 1)], request('a', 1)], want: [2] },
  {
    name: 'a name is its machine’s, by its secret',
    given: [[machine('a', 1)], request('a', 1, { secretHash: 'of-thief' })],
    want: { kind: 'nameTaken' },
  },
  { name: 'there is an end', given: [[machine('a', 1, 2, 3)], request('b', 3)], want: { kind: 'full', max: 5 } },
  {
    name: 'own nodes of `wherry up` are numbered from one, or not at all',
    given: [[machine('a', 2)], request('/up', 2, { fromOne: true })],
    want: { kind: 'numbersTaken', by: 'a' },
  },
  {
    name: 'and are free beside others',
    given: [[machine('a', 4)], request('/up', 3, { fromOne: true })],
    want: [1, 2, 3],
  },
]
for (const { name, given, want } of ROWS) test(name, () => assert.deepEqual(nodes(...given), want))

test('a reinstalled machine has its name and numbers again once its nodes are deleted; nobody else gets them', () => {
  const machines = [machine('a', 1), machine('b', 2)]
  const anew = request('a', 1, { secretHash: 'of-a-anew' })
  assert.deepEqual(nodes(machines, anew), { kind: 'nameTaken' })
  const isGone = ({ name }: Machine): boolean => name === 'a'
  assert.deepEqual(nodes(machines, anew, isGone), [1])
  assert.deepEqual(nodes(machines, request('c', 1), isGone), [3])
})

test('machines that ask at once get numbers of their own', async () => {
  const store = createMemoryStore()
  const plans = await Promise.all(
    Array.from({ length: 20 }, (_, i) => registerMachine(store, request(`m${i}`, 2), isThere)),
  )
  const numbers = plans.flatMap((plan) => (plan.kind === 'granted' ? plan.nodes : []))
  assert.equal(new Set(numbers).size, 40)
  const before = (await store.currentRevision()).toString()
  await registerMachine(store, request('m3', 2), isThere)
  assert.equal((await store.currentRevision()).toString(), before)
})
