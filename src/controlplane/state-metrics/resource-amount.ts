import { QuantityError, quantityToMilli, quantityToNumber } from '../../api/quantity.ts'

export interface ResourceAmount {
  /** `ephemeral_storage`: a name that Prometheus users write without quotes, as kube-state-metrics has it. */
  readonly resource: string
  readonly unit: 'core' | 'byte' | 'integer'
  readonly value: number
}

function amountOf(name: string, quantity: string): ResourceAmount {
  const resource = name.replaceAll(/[^a-zA-Z0-9_]/g, '_')
  if (name === 'cpu') return { resource, unit: 'core', value: quantityToMilli(quantity) / 1000 }
  const isBytes =
    name === 'memory' || name === 'storage' || name === 'ephemeral-storage' || name.startsWith('hugepages-')
  return { resource, unit: isBytes ? 'byte' : 'integer', value: quantityToNumber(quantity) }
}

/** The entries of a resource list in base units: cores, bytes, counts. What cannot be read is left out. */
export function resourceAmounts(list: Readonly<Record<string, string>> | undefined): readonly ResourceAmount[] {
  return Object.entries(list ?? {}).flatMap(([name, quantity]) => {
    try {
      return [amountOf(name, quantity)]
    } catch (error) {
      if (error instanceof QuantityError) return []
      throw error
    }
  })
}
