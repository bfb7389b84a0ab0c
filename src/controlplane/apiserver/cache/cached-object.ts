import type { KubeObject } from '../../../api/object.ts'
import type { Revision } from '../../store/store.ts'

/** One version of an object as the server holds it: immutable, with its JSON made at most once for all who ask. */
export class CachedObject {
  readonly key: string
  readonly object: KubeObject
  readonly revision: Revision
  #json: Buffer | undefined

  constructor(key: string, object: KubeObject, revision: Revision) {
    this.key = key
    this.object = object
    this.revision = revision
    this.#json = undefined
  }

  get json(): Buffer {
    this.#json ??= Buffer.from(JSON.stringify(this.object))
    return this.#json
  }
}

/** The object with the version that the store gave it, as clients see it. */
export function withResourceVersion(object: KubeObject, revision: Revision): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }
}

/** A change of one object, shared by all watchers; its lines are encoded once for each type it is told as. */
export class CachedEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly current: CachedObject
  readonly previous: CachedObject | undefined
  readonly #lines = new Map<string, Buffer>()

  constructor(type: 'ADDED' | 'MODIFIED' | 'DELETED', current: CachedObject, previous: CachedObject | undefined) {
    this.type = type
    this.current = current
    this.previous = previous
  }

  /** `{"type":…,"object":…}\n` */
  line(type: string, object: CachedObject): Buffer {
    let line = this.#lines.get(type)
    if (line === undefined) {
      line = Buffer.concat([Buffer.from(`{"type":"${type}","object":`), object.json, Buffer.from('}\n')])
      this.#lines.set(type, line)
    }
    return line
  }
}
