import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CONFIG_MAPS, NODES } from '../../../src/api/resource-type.ts'
import {
  deletesDependents,
  type GraphNode,
  mayOwn,
  OwnerGraph,
} from '../../../src/controlplane/controllers/garbage-collector/owner-graph.ts'
import {
  type CollectionAction,
  type OwnerState,
  planCollection,
} from '../../../src/controlplane/controllers/garbage-collector/plan-collection.ts'
import { frozen, shuffled } from './objects.ts'

interface Parts {
  readonly owners?: readonly string[]
  /** Those among the owners that must not go before this one. */
  readonly blocks?: readonly string[]
  readonly deleting?: boolean
  readonly finalizers?: readonly string[]
  readonly namespace?: string | undefined
}

function item(uid: string, parts: Parts = {}): GraphNode {
  const { owners = [], blocks = [], deleting = false, finalizers = [] } = parts
  return {
    type: 'namespace' in parts && parts.namespace === undefined ? NODES : CONFIG_MAPS,
    uid,
    namespace: 'namespace' in parts ? parts.namespace : 'default',
    name: uid,
    owners: owners.map((owner) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: owner,
      uid: owner,
      ...(blocks.includes(owner) ? { blockOwnerDeletion: true } : {}),
    })),
    deleting,
    finalizers,
  }
}

function textOf(action: CollectionAction): string {
  switch (action.kind) {
    case 'delete':
      return `delete ${action.policy}`
    case 'dropOwners':
      return `drop ${action.uids.join(',')}`
    case 'removeFinalizer':
      return `finish ${action.finalizer}`
    case 'unblockOwners':
      return 'unblock'
    case 'collectDependents':
      return `collect ${action.dependents.map(({ uid }) => uid).join(',')}`
    case 'orphanDependents':
      return `orphan ${action.dependents.map(({ uid }) => uid).join(',')}`
  }
}

function told({ actions }: { readonly actions: readonly CollectionAction[] }): readonly string[] {
  return actions.map(textOf)
}

const FOREGROUND = { deleting: true, finalizers: ['foregroundDeletion'] }
const ORPHAN = { deleting: true, finalizers: ['orphan'] }

describe('an object that is not being deleted', () => {
  const rows: readonly {
    readonly name: string
    readonly states: Readonly<Record<string, OwnerState>>
    readonly finalizers?: readonly string[]
    readonly dependents?: readonly GraphNode[]
    readonly blocks?: readonly string[]
    readonly want: readonly string[]
  }[] = [
    { name: 'with an owner that is there', states: { a: 'present' }, want: [] },
    { name: 'without owners', states: {}, want: [] },
    { name: 'whose owner is gone', states: { a: 'gone' }, want: ['delete Background'] },
    { name: 'all of whose owners are gone', states: { a: 'gone', b: 'gone' }, want: ['delete Background'] },
    { name: 'one of whose owners is gone', states: { a: 'gone', b: 'present' }, want: ['drop a'] },
    {
      name: 'one of whose owners is gone and the other cannot be told',
      states: { a: 'gone', b: 'unknown' },
      want: ['drop a'],
    },
    { name: 'whose owner cannot be told', states: { a: 'unknown' }, want: [] },
    { name: 'whose owner waits for it', states: { a: 'waiting' }, want: ['delete Background'] },
    { name: 'whose owner waits while another is there', states: { a: 'waiting', b: 'present' }, want: ['drop a'] },
    {
      name: 'whose owner waits, with dependents of its own',
      states: { a: 'waiting' },
      dependents: [item('d', { owners: ['x'] })],
      want: ['delete Foreground'],
    },
    { name: 'that asks to orphan', states: { a: 'gone' }, finalizers: ['orphan'], want: ['delete Orphan'] },
    {
      name: 'that asks to wait',
      states: { a: 'gone' },
      finalizers: ['foregroundDeletion'],
      want: ['delete Foreground'],
    },
    {
      name: 'in a circle with its owner that waits',
      states: { a: 'waiting' },
      blocks: ['a'],
      dependents: [item('a', { owners: ['x'], ...FOREGROUND })],
      want: ['unblock', 'delete Foreground'],
    },
  ]
  for (const { name, states, finalizers = [], dependents = [], blocks = [], want } of rows) {
    test(`${name}: ${want.join(', ') || 'nothing'}`, () => {
      const one = item('x', { owners: Object.keys(states), finalizers, blocks })
      assert.deepEqual(told(planCollection(frozen(one), new Map(Object.entries(states)), frozen(dependents))), want)
    })
  }
})

describe('an object that is being deleted', () => {
  const dependent = (uid: string, blocks: boolean, more: Parts = {}): GraphNode =>
    item(uid, { owners: ['x'], blocks: blocks ? ['x'] : [], ...more })
  for (const { name, parts, dependents, want } of [
    { name: 'in the background', parts: { deleting: true }, dependents: [dependent('d', true)], want: [] },
    { name: 'with a finalizer of somebody', parts: { deleting: true, finalizers: ['mine'] }, dependents: [], want: [] },
    {
      name: 'in the foreground without dependents',
      parts: FOREGROUND,
      dependents: [],
      want: ['finish foregroundDeletion'],
    },
    {
      name: 'in the foreground with some that block',
      parts: FOREGROUND,
      dependents: [dependent('d', true), dependent('e', false)],
      want: ['collect d'],
    },
    {
      name: 'in the foreground with some that do not',
      parts: FOREGROUND,
      dependents: [dependent('e', false)],
      want: ['finish foregroundDeletion'],
    },
    {
      name: 'that owns itself',
      parts: { ...FOREGROUND, owners: ['x'], blocks: ['x'] },
      dependents: [dependent('x', true, FOREGROUND)],
      want: ['finish foregroundDeletion'],
    },
    {
      name: 'that is named from another namespace',
      parts: FOREGROUND,
      dependents: [dependent('d', true, { namespace: 'other' })],
      want: ['finish foregroundDeletion'],
    },
    {
      name: 'that leaves its dependents behind',
      parts: ORPHAN,
      dependents: [dependent('d', true)],
      want: ['orphan d', 'finish orphan'],
    },
    { name: 'that has none to leave behind', parts: ORPHAN, dependents: [], want: ['finish orphan'] },
  ]) {
    test(`${name}: ${want.join(', ') || 'nothing'}`, () => {
      assert.deepEqual(told(planCollection(item('x', parts), new Map(), dependents)), want)
    })
  }
})

test('owners stand in the same namespace or in none', () => {
  assert.equal(mayOwn(item('a'), item('b')), true)
  assert.equal(mayOwn(item('a', { namespace: undefined }), item('b')), true)
  assert.equal(mayOwn(item('a', { namespace: 'other' }), item('b')), false)
  assert.equal(mayOwn(item('a'), item('b', { namespace: undefined })), false)
})

test('the graph knows exactly the dependents of each, also of owners it has not seen', () => {
  const uid = fc.constantFrom('a', 'b', 'c', 'd')
  const step = fc.record({ uid, owners: fc.uniqueArray(uid), gone: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const graph = new OwnerGraph()
      const plain = new Map<string, GraphNode>()
      for (const { uid, owners, gone } of steps) {
        if (gone) assert.equal(graph.delete(uid), plain.get(uid))
        else assert.equal(graph.set(item(uid, { owners })), plain.get(uid))
        if (gone) plain.delete(uid)
        else plain.set(uid, graph.get(uid)!)
      }
      for (const owner of ['a', 'b', 'c', 'd']) {
        const want = [...plain.values()].filter(({ owners }) => owners.some((one) => one.uid === owner))
        assert.deepEqual(new Set(graph.dependentsOf(owner)), new Set(want))
      }
    }),
  )
})

test('the order of owners and dependents does not matter to what is done', () => {
  const states = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.constantFrom<OwnerState[]>('present', 'gone', 'waiting', 'unknown'),
  )
  fc.assert(
    fc.property(
      states.chain((one) => fc.tuple(fc.constant(one), shuffled(Object.keys(one)))),
      ([one, owners]) => {
        const given = new Map(Object.entries(one))
        const kinds = (uids: readonly string[]) =>
          planCollection(item('x', { owners: uids }), given, []).actions.map((action) =>
            action.kind === 'dropOwners' ? [...action.uids].sort() : told({ actions: [action] }),
          )
        assert.deepEqual(kinds(owners), kinds(Object.keys(one)))
      },
    ),
  )
})

/** A small world in which the collector's actions are carried out in random order until nothing is left to do. */
class World {
  readonly objects = new Map<string, GraphNode>()

  dependentsOf(uid: string): readonly GraphNode[] {
    return [...this.objects.values()].filter(({ owners }) => owners.some((owner) => owner.uid === uid))
  }

  remove(uid: string, policy: string): void {
    const one = this.objects.get(uid)
    if (one === undefined || one.deleting) return
    const extra = policy === 'Foreground' ? ['foregroundDeletion'] : policy === 'Orphan' ? ['orphan'] : []
    const others = one.finalizers.filter((name) => name !== 'foregroundDeletion' && name !== 'orphan')
    this.put({ ...one, deleting: true, finalizers: [...others, ...extra] })
  }

  put(one: GraphNode): void {
    if (one.deleting && one.finalizers.length === 0) this.objects.delete(one.uid)
    else this.objects.set(one.uid, one)
  }

  /** True when it did something. */
  step(uid: string): boolean {
    const one = this.objects.get(uid)
    if (one === undefined) return false
    const states = new Map(
      one.owners.map((owner): [string, OwnerState] => {
        const found = this.objects.get(owner.uid)
        return [owner.uid, found === undefined ? 'gone' : deletesDependents(found) ? 'waiting' : 'present']
      }),
    )
    const { actions } = planCollection(one, states, this.dependentsOf(uid))
    for (const action of actions) {
      const current = this.objects.get(uid)
      if (current === undefined) return true
      if (action.kind === 'delete') this.remove(uid, action.policy)
      if (action.kind === 'dropOwners')
        this.put({ ...current, owners: current.owners.filter((owner) => !action.uids.includes(owner.uid)) })
      if (action.kind === 'unblockOwners')
        this.put({ ...current, owners: current.owners.map((owner) => ({ ...owner, blockOwnerDeletion: false })) })
      if (action.kind === 'removeFinalizer')
        this.put({ ...current, finalizers: current.finalizers.filter((name) => name !== action.finalizer) })
      if (action.kind === 'orphanDependents')
        for (const dependent of action.dependents)
          this.put({ ...dependent, owners: dependent.owners.filter((owner) => owner.uid !== uid) })
    }
    return actions.some(({ kind }) => kind !== 'collectDependents')
  }
}

test('whatever owns what, in circles too, a deletion comes to its end and takes only what has no other owner', () => {
  const uids = ['a', 'b', 'c', 'd', 'e']
  const shape = fc.tuple(
    ...uids.map(() =>
      fc.record({ owners: fc.uniqueArray(fc.constantFrom(...uids), { maxLength: 3 }), block: fc.boolean() }),
    ),
  )
  fc.assert(
    fc.property(
      shape,
      fc.constantFrom(...uids),
      fc.constantFrom('Foreground', 'Background', 'Orphan'),
      fc.infiniteStream(fc.nat({ max: 4 })),
      (shapes, root, policy, dice) => {
        const world = new World()
        for (const [i, uid] of uids.entries()) {
          const { owners, block } = shapes[i]!
          world.put(item(uid, { owners, blocks: block ? owners : [] }))
        }
        world.remove(root, policy)
        let quiet = 0
        for (let i = 0; i < 2_000 && quiet < 60; i++) {
          const uid = uids[dice.next().value as number]!
          quiet = world.step(uid) ? 0 : quiet + 1
        }
        for (const uid of uids) assert.equal(world.step(uid), false, `${uid} is still to be done`)
        for (const { uid, deleting, owners } of world.objects.values()) {
          assert.equal(deleting, false, `${uid} waits for ever`)
          assert.ok(
            owners.every((owner) => world.objects.has(owner.uid)),
            `${uid} has an owner that is gone`,
          )
        }
        assert.equal(world.objects.has(root), false)
        if (policy === 'Orphan')
          assert.deepEqual(
            [...world.objects.keys()].sort(),
            uids.filter((uid) => uid !== root),
          )
        // Who has an owner outside the deletion's reach, or none at all, stays.
        const reach = new Set([root])
        for (let grown = true; grown; ) {
          const before = reach.size
          for (const [i, uid] of uids.entries()) if (shapes[i]!.owners.some((owner) => reach.has(owner))) reach.add(uid)
          grown = reach.size > before
        }
        for (const uid of uids) if (!reach.has(uid)) assert.ok(world.objects.has(uid), `${uid} was taken along`)
      },
    ),
    { numRuns: 500 },
  )
})
