/** What one run of a probe found, with the words for the Unhealthy event. */
export interface ProbeResult {
  readonly ok: boolean
  readonly output: string
  /** The probe could not be run at all: that says nothing of the container. */
  readonly isUnknown?: true
}
