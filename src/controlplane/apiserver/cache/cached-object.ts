import type { KubeObject } from '../../../api/object.ts'
import { encodeBareObject } from '../../../api/protobuf/encode-object.ts'
import { encodeEnvelope } from '../../../api/protobuf/envelope.ts'
import { watchFrame } from '../../../api/protobuf/watch-frame.ts'
import type { Revision } from '../../store/store.ts'

/** One version of an object as the server holds it: immutable, and encoded at most once in each form for all who ask. */
export class CachedObject {
  readonly key: string
  readonly object: KubeObject
  readonly revision: Revision
  /** About how many bytes it is as JSON. */
  readonly size: number
  #json: Buffer | undefined
  #protobuf: Buffer | undefined

  constructor(key: string, object: KubeObject, revision: Revision, size: number) {
    this.key = key
    this.object = object
    this.revision = revision
    this.size = size
    this.#json = undefined
    this.#protobuf = undefined
  }

  get json(): Buffer {
    this.#json ??= Buffer.from(JSON.stringify(this.object))
    return this.#json
  }

  /** The object's protobuf message without its envelope, as lists hold it. */
  get protobuf(): Buffer {
    this.#protobuf ??= encodeBareObject(this.object)
    return this.#protobuf
  }

  /** The JSON for an answer to one: kept encodings of all that was ever listed would double the cache. */
  jsonOnce(): Buffer {
    return this.#json ?? Buffer.from(JSON.stringify(this.object))
  }

  /** The protobuf message in the same way. */
  protobufOnce(): Buffer {
    return this.#protobuf ?? encodeBareObject(this.object)
  }

  /** Gives the memory of the encodings back; they are made again if somebody asks. */
  forgetEncodings(): void {
    this.#json = undefined
    this.#protobuf = undefined
  }
}

/** The object with the version that the store gave it, as clients see it; none for what was never written (a dry run). */
export function withResourceVersion(object: KubeObject, revision: Revision): KubeObject {
  if (revision === 0n) return object
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }
}

/** Makes a JSON value immutable all the way down, and returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const key in value) deepFreeze(value[key])
  return value
}

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED'

/** A change of one object, shared by all watchers; it is encoded once in each form for each type it is told as. */
export class CachedEvent {
  readonly type: EventType
  readonly current: CachedObject
  readonly previous: CachedObject | undefined
  #left: CachedObject | undefined
  readonly #lines = new Map<EventType, Buffer>()
  /** Made when the first asks: most events are never told in protobuf. */
  #frames: Map<EventType, Buffer> | undefined

  constructor(type: EventType, current: CachedObject, previous: CachedObject | undefined) {
    this.type = type
    this.current = current
    this.previous = previous
    this.#left = undefined
    this.#frames = undefined
  }

  /**
   * The object that goes with a type. Who is told of a deletion because the object no longer fits his selector gets its
   * last state that did, at the version of the change.
   */
  toldAs(type: EventType): CachedObject {
    const { current, previous } = this
    if (type !== 'DELETED' || this.type === 'DELETED' || previous === undefined) return current
    const { key, revision } = current
    const object = (): KubeObject => deepFreeze(withResourceVersion(previous.object, revision))
    this.#left ??= new CachedObject(key, object(), revision, previous.size)
    return this.#left
  }

  /** `{"type":…,"object":…}\n` */
  line(type: EventType): Buffer {
    let line = this.#lines.get(type)
    if (line === undefined) {
      line = eventLine(type, this.toldAs(type).json)
      this.#lines.set(type, line)
    }
    return line
  }

  /** The event in protobuf, with its length before it. */
  frame(type: EventType): Buffer {
    this.#frames ??= new Map()
    let frame = this.#frames.get(type)
    if (frame === undefined) {
      const told = this.toldAs(type)
      frame = eventFrame(type, told.object, told.protobuf)
      this.#frames.set(type, frame)
    }
    return frame
  }

  /** Gives the memory of the encodings back, once the watchers have had the event. */
  forgetEncodings(): void {
    this.#lines.clear()
    this.#frames = undefined
    this.#left = undefined
    this.current.forgetEncodings()
    this.previous?.forgetEncodings()
  }
}

const LINE_END = Buffer.from('}\n')

/** One line of a watch from an object's JSON. */
export function eventLine(type: EventType, json: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), json, LINE_END])
}

/** One frame of a watch from an object's protobuf form. */
export function eventFrame(type: EventType, { apiVersion = '', kind = '' }: KubeObject, protobuf: Uint8Array): Buffer {
  return watchFrame(type, encodeEnvelope(apiVersion, kind, protobuf))
}
