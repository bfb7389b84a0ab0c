import type { KubeObject } from '../../api/object.ts'
import type { ResourceType } from '../../api/resource-type.ts'

export type Labels = Readonly<Record<string, string | undefined>>

/** Adds one line; a label that is undefined is shown as empty. */
export type Emit = (labels: Labels, value: number) => void

/** One series family as kube-state-metrics names it, and what one object has to say in it. */
export interface StateFamily<T extends KubeObject> {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  /** Two entries of an object may come to one line; only the first is shown then, since Prometheus refuses both. */
  readonly mayRepeat?: boolean
  write(object: T, emit: Emit): void
}

/** All that is told of one kind of objects. */
export interface StateKind<T extends KubeObject = KubeObject> {
  readonly type: ResourceType<T>
  readonly families: readonly StateFamily<T>[]
}

/** A family that says `1` or a number of each object at most once. */
export function numberOf<T extends KubeObject>(
  name: string,
  help: string,
  labels: (object: T) => Labels,
  value: (object: T) => number | undefined,
): StateFamily<T> {
  return {
    name,
    type: 'gauge',
    help,
    write(object, emit) {
      const found = value(object)
      if (found !== undefined) emit(labels(object), found)
    },
  }
}

/** Seconds since the epoch; undefined for what is no time. */
export function secondsOf(time: string | undefined): number | undefined {
  const ms = time === undefined ? Number.NaN : Date.parse(time)
  return Number.isNaN(ms) ? undefined : ms / 1000
}

const CONDITION_STATUSES = [
  ['true', 'True'],
  ['false', 'False'],
  ['unknown', 'Unknown'],
] as const

/** A condition as kube-state-metrics shows it: a line for each status, one of which is 1. */
export function emitCondition(emit: Emit, labels: Labels, status: string, label = 'status'): void {
  for (const [shown, word] of CONDITION_STATUSES) emit({ ...labels, [label]: shown }, word === status ? 1 : 0)
}
