/** Bytes that are no protobuf form of an object, or an object that has none; the message says what and where. */
export class ProtobufError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'ProtobufError'
  }
}
