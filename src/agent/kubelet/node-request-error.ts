/** What is wrong with a request to the node API; `status` is the HTTP status that says so. */
export class NodeRequestError extends Error {
  readonly status: 400 | 404

  constructor(status: NodeRequestError['status'], message: string) {
    super(message)
    this.name = 'NodeRequestError'
    this.status = status
  }
}
