/** An IP address as text, without a zone, and a port. */
export interface ConnectionEnd {
  readonly address: string
  readonly port: number
}

/** The two ends of a client's connection as the first proxy saw it. */
export interface ConnectionEnds {
  /** The client. */
  readonly source: ConnectionEnd
  /** What the client connected to. */
  readonly destination: ConnectionEnd
}
