/** A client's connection, whatever it is about. */
export interface Client {
  /** Ends it after what it is about. */
  drain(): void
  /** Ends it at once. */
  destroy(): void
}
