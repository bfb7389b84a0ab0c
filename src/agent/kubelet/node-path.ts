import { NodeRequestError } from './node-request-error.ts'

/**
 * The names in a path of the node API after its first segment, decoded. Names of objects and containers never hold a
 * slash; a path with one is after something else (TOB-K8S-026). Throws NodeRequestError.
 */
export function namesIn(pathname: string): readonly string[] {
  return pathname.slice(1).split('/').slice(1).map(decodeName)
}

function decodeName(text: string): string {
  let name: string
  try {
    name = decodeURIComponent(text)
  } catch {
    throw new NodeRequestError(404, 'page not found')
  }
  if (/[/\\\0]|^\.{0,2}$/.test(name)) throw new NodeRequestError(404, 'page not found')
  return name
}
