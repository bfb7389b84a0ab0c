/** One mistake in a configuration. */
export interface ConfigFault {
  /** Where, such as `routes[2].backends[0].weight`; empty: the whole. */
  readonly path: string
  /** What it must be instead. */
  readonly reason: string
}

export function formatFault({ path, reason }: ConfigFault): string {
  return path === '' ? reason : `${path}: ${reason}`
}

/** Gathers mistakes, so that all of them are told at once. */
export class ConfigFaults {
  readonly list: ConfigFault[] = []

  add(path: string, reason: string): undefined {
    this.list.push({ path, reason })
    return undefined
  }
}
