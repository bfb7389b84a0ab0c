import type { Node } from '../../../api/types/core-v1.gen.ts'
import type { NodeInfo } from './node-info.ts'

/** Which nodes have an image, and how many bytes it is there. */
export class ImageIndex {
  readonly #nodes = new Map<string, Map<NodeInfo, number>>()

  get size(): number {
    return this.#nodes.size
  }

  nodesWith(image: string): ReadonlyMap<NodeInfo, number> | undefined {
    return this.#nodes.get(image)
  }

  change(info: NodeInfo, before: Node | undefined, after: Node | undefined): void {
    const [had, has] = [before?.status?.images ?? [], after?.status?.images ?? []]
    if (had.length === 0 && has.length === 0) return
    for (const { names = [] } of had) {
      for (const name of names) {
        const nodes = this.#nodes.get(name)
        nodes?.delete(info)
        if (nodes?.size === 0) this.#nodes.delete(name)
      }
    }
    for (const { names = [], sizeBytes = 0 } of has) {
      for (const name of names) {
        const nodes = this.#nodes.get(name)
        if (nodes === undefined) this.#nodes.set(name, new Map([[info, sizeBytes]]))
        else nodes.set(info, sizeBytes)
      }
    }
  }
}
