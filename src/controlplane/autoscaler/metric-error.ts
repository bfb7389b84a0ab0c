/** Why no number of replicas follows from a metric; its message is what events and conditions say. */
export class MetricError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MetricError'
  }
}
