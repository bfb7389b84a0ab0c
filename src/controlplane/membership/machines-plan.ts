/** A machine of the cluster and the numbers of its nodes, which are nobody else's: addresses follow from them. */
export interface Machine {
  readonly name: string
  /** SHA-256 of the machine's own secret, hexadecimal. */
  readonly secretHash: string
  readonly nodes: readonly number[]
}

export interface MachineRequest {
  readonly name: string
  readonly secretHash: string
  readonly count: number
  /** The numbers must be 1 to `count`: those of `wherry up`'s own nodes. */
  readonly fromOne?: boolean
}

export type MachinePlan =
  | { readonly kind: 'granted'; readonly nodes: readonly number[]; readonly machines: readonly Machine[] }
  /** Somebody else has the name, with another secret. */
  | { readonly kind: 'nameTaken' }
  /** Somebody else has numbers that are asked for. */
  | { readonly kind: 'numbersTaken'; readonly by: string }
  | { readonly kind: 'full'; readonly max: number }

/**
 * Which nodes a machine gets: those it has, and the lowest free numbers for more. One that asks for fewer keeps the rest
 * for later. `isGone` says of a machine that none of its nodes is in the cluster (`kubectl delete node`): then a
 * reinstalled one, which has lost its secret, may have its name and its numbers. Nobody else ever gets them: the old
 * certificates are good for a year.
 */
export function planMachine(
  machines: readonly Machine[],
  request: MachineRequest,
  numberMax: number,
  isGone: (machine: Machine) => boolean,
): MachinePlan {
  const { name, secretHash, count, fromOne = false } = request
  const before = machines.find((machine) => machine.name === name)
  if (before !== undefined && before.secretHash !== secretHash && !isGone(before)) return { kind: 'nameTaken' }
  const others = machines.filter((machine) => machine !== before)
  const taken = new Map(others.flatMap((machine) => machine.nodes.map((number) => [number, machine.name] as const)))
  const nodes = [...(before?.nodes ?? [])]
  for (let number = 1; nodes.length < count && number <= numberMax; number++) {
    const by = taken.get(number)
    if (by !== undefined && fromOne) return { kind: 'numbersTaken', by }
    if (by === undefined && !nodes.includes(number)) nodes.push(number)
  }
  if (nodes.length < count) return { kind: 'full', max: numberMax }
  const after = { name, secretHash, nodes }
  const all = before === undefined ? [...machines, after] : machines.map((one) => (one === before ? after : one))
  return { kind: 'granted', nodes: nodes.slice(0, count), machines: all }
}
