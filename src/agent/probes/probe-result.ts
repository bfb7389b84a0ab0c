/** What one run of a probe found, with the words for the Unhealthy event. */
export interface ProbeResult {
  readonly ok: boolean
  readonly output: string
}
