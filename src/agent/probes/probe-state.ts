import type { Probe } from '../../api/types/core-v1.gen.ts'

export type ProbeKind = 'startup' | 'liveness' | 'readiness'

/** How one probe of one attempt stands. `verdict` changes only after enough results of the same kind in a row. */
export interface ProbeState {
  readonly verdict: 'unknown' | 'success' | 'failure'
  readonly last: boolean | undefined
  readonly run: number
}

/** Readiness begins as failed and liveness as fine, so that only a result can change them; startup begins open. */
export function initialProbeState(kind: ProbeKind): ProbeState {
  const verdict = kind === 'readiness' ? 'failure' : kind === 'liveness' ? 'success' : 'unknown'
  return { verdict, last: undefined, run: 0 }
}

export function afterResult(state: ProbeState, ok: boolean, probe: Probe): ProbeState {
  const run = state.last === ok ? state.run + 1 : 1
  const threshold = ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3)
  const verdict = run < threshold ? state.verdict : ok ? 'success' : 'failure'
  return { verdict, last: ok, run }
}
