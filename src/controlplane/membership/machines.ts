import { createHash } from 'node:crypto'
import { NODE_COUNT_MAX } from '../../base/address-layout.ts'
import type { Store } from '../store/store.ts'
import { type Machine, type MachinePlan, type MachineRequest, planMachine } from './machines-plan.ts'

/** Not a resource: nobody's watch cache holds it. One key for all, so that no number is given twice. */
const KEY = '/registry/wherry.dev/machines'

export function hashOfSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** Gives a machine its nodes, the same ones whenever it asks. Rejects with StoreError. */
export async function registerMachine(
  store: Store,
  request: MachineRequest,
  isGone: (machine: Machine) => boolean,
): Promise<MachinePlan> {
  for (;;) {
    const found = await store.get(KEY)
    const machines: readonly Machine[] = found === undefined ? [] : JSON.parse(Buffer.from(found.value).toString())
    const plan = planMachine(machines, request, NODE_COUNT_MAX, isGone)
    if (plan.kind !== 'granted') return plan
    const text = JSON.stringify(plan.machines)
    if (text === JSON.stringify(machines)) return plan
    const { ok } = await store.commit({
      expect: [{ key: KEY, modRevision: found?.modRevision ?? 0n }],
      puts: [{ key: KEY, value: Buffer.from(text) }],
      deletes: [],
    })
    if (ok) return plan
  }
}
