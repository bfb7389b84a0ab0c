import { equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ResourceQuota } from '../../../src/api/types/core-v1.gen.ts'
import { hasMoreRoom } from '../../../src/controlplane/quota/has-more-room.ts'

type Amounts = Readonly<Record<string, string>>

function counted(hard: Amounts, used: Amounts): ResourceQuota {
  return { metadata: { name: 'all' }, spec: { hard }, status: { hard, used } }
}

describe('a quota has more room', () => {
  const full = counted({ pods: '3', cpu: '1' }, { pods: '3', cpu: '500m' })
  const table: readonly (readonly [string, ResourceQuota, boolean])[] = [
    ['when less is used', counted({ pods: '3', cpu: '1' }, { pods: '2', cpu: '500m' }), true],
    ['when more is allowed', counted({ pods: '4', cpu: '1' }, { pods: '3', cpu: '500m' }), true],
    ['when something is limited no longer', counted({ cpu: '1' }, { cpu: '500m' }), true],
    ['not when more is used', counted({ pods: '3', cpu: '1' }, { pods: '3', cpu: '600m' }), false],
    [
      'not when more is allowed of what is used as much more',
      counted({ pods: '4', cpu: '1' }, { pods: '4', cpu: '500m' }),
      false,
    ],
    [
      'not when something else is limited, too',
      counted({ pods: '3', cpu: '1', secrets: '1' }, { pods: '3', cpu: '500m', secrets: '0' }),
      false,
    ],
    ['not when nothing has changed', full, false],
  ]
  for (const [name, next, want] of table) it(name, () => equal(hasMoreRoom(full, next), want))
  it('when it is counted for the first time', () =>
    equal(hasMoreRoom(counted({ pods: '1' }, {}), counted({ pods: '1' }, { pods: '0' })), true))
})
