import { hashText } from '../balance/hash-key.ts'

interface Leaf<V> {
  readonly hash: number
  readonly key: string
  readonly value: V
}

/** Keys whose hashes are equal in all bits, in order of key. */
interface Collision<V> {
  readonly leaves: readonly Leaf<V>[]
}

interface Branch<V> {
  /** Bit n is set when there is a child for the hash bits n. */
  readonly bitmap: number
  readonly children: readonly TrieNode<V>[]
}

type TrieNode<V> = Leaf<V> | Collision<V> | Branch<V>

/** What has become of one key: `undefined` where it is not there. */
export interface Difference<V> {
  readonly key: string
  readonly before: V | undefined
  readonly after: V | undefined
}

const BITS = 5
const MASK = (1 << BITS) - 1
/** Beyond this depth all 32 bits of a hash are used up. */
const SHIFT_MAX = 30

/**
 * A map that is never changed: `set` and `delete` give another one that shares all but a few nodes with this one, so a
 * change costs O(log n) and telling two such maps apart costs what differs between them. The order of iteration
 * depends on the keys alone. Values must not be `undefined`.
 */
export class PersistentMap<V> implements ReadonlyMap<string, V> {
  readonly #root: TrieNode<V> | undefined
  readonly size: number

  private constructor(root: TrieNode<V> | undefined, size: number) {
    this.#root = root
    this.size = size
  }

  static empty<V>(): PersistentMap<V> {
    return new PersistentMap<V>(undefined, 0)
  }

  static from<V>(entries: Iterable<readonly [string, V]>): PersistentMap<V> {
    let map = PersistentMap.empty<V>()
    for (const [key, value] of entries) map = map.set(key, value)
    return map
  }

  /** Every key whose value is another in `after` than in `before`. */
  static differences<V>(before: PersistentMap<V>, after: PersistentMap<V>): readonly Difference<V>[] {
    const found: Difference<V>[] = []
    differ(before.#root, after.#root, found)
    return found
  }

  get(key: string): V | undefined {
    return find(this.#root, hashText(key), key)?.value
  }

  has(key: string): boolean {
    return find(this.#root, hashText(key), key) !== undefined
  }

  set(key: string, value: V): PersistentMap<V> {
    const leaf: Leaf<V> = { hash: hashText(key), key, value }
    const before = find(this.#root, leaf.hash, key)
    if (before !== undefined && before.value === value) return this
    const root = this.#root === undefined ? leaf : insert(this.#root, leaf, 0)
    return new PersistentMap(root, before === undefined ? this.size + 1 : this.size)
  }

  delete(key: string): PersistentMap<V> {
    const hash = hashText(key)
    if (find(this.#root, hash, key) === undefined) return this
    return new PersistentMap(remove(this.#root!, hash, key, 0), this.size - 1)
  }

  *entries(): MapIterator<[string, V]> {
    for (const { key, value } of leavesOf(this.#root)) yield [key, value]
  }

  *keys(): MapIterator<string> {
    for (const { key } of leavesOf(this.#root)) yield key
  }

  *values(): MapIterator<V> {
    for (const { value } of leavesOf(this.#root)) yield value
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries()
  }

  forEach(callback: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (const { key, value } of leavesOf(this.#root)) callback(value, key, this)
  }
}

function isBranch<V>(node: TrieNode<V>): node is Branch<V> {
  return 'bitmap' in node
}

function isLeaf<V>(node: TrieNode<V>): node is Leaf<V> {
  return 'key' in node
}

/** Where the child for a bit stands among the children. */
function placeOf(bitmap: number, bit: number): number {
  let below = bitmap & (bit - 1)
  let count = 0
  for (; below !== 0; below &= below - 1) count++
  return count
}

function find<V>(root: TrieNode<V> | undefined, hash: number, key: string): Leaf<V> | undefined {
  let node = root
  for (let shift = 0; node !== undefined; shift += BITS) {
    if (isLeaf(node)) return node.key === key ? node : undefined
    if (!isBranch(node)) return node.leaves.find((leaf) => leaf.key === key)
    const bit = 1 << ((hash >>> shift) & MASK)
    node = (node.bitmap & bit) === 0 ? undefined : node.children[placeOf(node.bitmap, bit)]
  }
  return undefined
}

function insert<V>(node: TrieNode<V>, leaf: Leaf<V>, shift: number): TrieNode<V> {
  if (isBranch(node)) {
    const bit = 1 << ((leaf.hash >>> shift) & MASK)
    const at = placeOf(node.bitmap, bit)
    if ((node.bitmap & bit) === 0) return { bitmap: node.bitmap | bit, children: node.children.toSpliced(at, 0, leaf) }
    return { bitmap: node.bitmap, children: node.children.with(at, insert(node.children[at]!, leaf, shift + BITS)) }
  }
  if (isLeaf(node) && node.key === leaf.key) return leaf
  const own = isLeaf(node) ? [node] : node.leaves
  if (shift > SHIFT_MAX) {
    const leaves = [...own.filter(({ key }) => key !== leaf.key), leaf].sort((a, b) => (a.key < b.key ? -1 : 1))
    return { leaves }
  }
  // One level deeper, where the hashes may part.
  const bit = 1 << ((own[0]!.hash >>> shift) & MASK)
  return insert({ bitmap: bit, children: [node] }, leaf, shift)
}

/** Without the key, which is there; branches of a single leaf become that leaf, so that equal maps have equal shapes. */
function remove<V>(node: TrieNode<V>, hash: number, key: string, shift: number): TrieNode<V> | undefined {
  if (isLeaf(node)) return undefined
  if (!isBranch(node)) {
    const leaves = node.leaves.filter((leaf) => leaf.key !== key)
    return leaves.length === 1 ? leaves[0] : { leaves }
  }
  const bit = 1 << ((hash >>> shift) & MASK)
  const at = placeOf(node.bitmap, bit)
  const child = remove(node.children[at]!, hash, key, shift + BITS)
  const children = child === undefined ? node.children.toSpliced(at, 1) : node.children.with(at, child)
  const [only] = children
  if (only === undefined) return undefined
  if (children.length === 1 && isLeaf(only)) return only
  return { bitmap: child === undefined ? node.bitmap & ~bit : node.bitmap, children }
}

function* leavesOf<V>(node: TrieNode<V> | undefined): Generator<Leaf<V>> {
  if (node === undefined) return
  if (isLeaf(node)) yield node
  else if (isBranch(node)) for (const child of node.children) yield* leavesOf(child)
  else yield* node.leaves
}

function differ<V>(before: TrieNode<V> | undefined, after: TrieNode<V> | undefined, found: Difference<V>[]): void {
  if (before === after) return
  if (before !== undefined && after !== undefined && isBranch(before) && isBranch(after)) {
    for (let n = 0; n <= MASK; n++) {
      const bit = 1 << n
      if (((before.bitmap | after.bitmap) & bit) === 0) continue
      const left = (before.bitmap & bit) === 0 ? undefined : before.children[placeOf(before.bitmap, bit)]
      const right = (after.bitmap & bit) === 0 ? undefined : after.children[placeOf(after.bitmap, bit)]
      differ(left, right, found)
    }
    return
  }
  const old = new Map([...leavesOf(before)].map(({ key, value }) => [key, value]))
  for (const { key, value } of leavesOf(after)) {
    const was = old.get(key)
    old.delete(key)
    if (was !== value) found.push({ key, before: was, after: value })
  }
  for (const [key, value] of old) found.push({ key, before: value, after: undefined })
}
