import {
  ENABLE_CONNECT_PROTOCOL,
  ENABLE_PUSH,
  FLOW_CONTROL_ERROR,
  FRAME_BYTES_MAX,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  MAX_FRAME_SIZE,
  NO_ERROR,
  PROTOCOL_ERROR,
  WINDOW_BYTES,
  WINDOW_BYTES_MAX,
} from './frames.ts'

/** The longest payload that can be written into a frame's head. */
const FRAME_BYTES_LIMIT = 0xff_ffff

/** What the other side has said that it takes (RFC 9113 §6.5.2), and before that what holds for everybody. */
export class PeerSettings {
  /** How many streams this side may have open. */
  streamsMax = Number.POSITIVE_INFINITY
  /** What a new stream may send. */
  windowBytes = WINDOW_BYTES
  readonly #mayPush: boolean

  /** `mayPush`: the other side is a client, which may say that it takes pushes; a server must not (RFC 9113 §6.5.2). */
  constructor(mayPush: boolean) {
    this.#mayPush = mayPush
  }

  /** One setting. Returns the error that the connection ends with, or `NO_ERROR`. Unknown ones mean nothing. */
  take(name: number, value: number): number {
    switch (name) {
      case ENABLE_PUSH:
        return value > 1 || (value === 1 && !this.#mayPush) ? PROTOCOL_ERROR : NO_ERROR
      case MAX_CONCURRENT_STREAMS:
        this.streamsMax = value
        return NO_ERROR
      case INITIAL_WINDOW_SIZE:
        if (value > WINDOW_BYTES_MAX) return FLOW_CONTROL_ERROR
        this.windowBytes = value
        return NO_ERROR
      case MAX_FRAME_SIZE:
        return value < FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT ? PROTOCOL_ERROR : NO_ERROR
      case ENABLE_CONNECT_PROTOCOL:
        return value > 1 ? PROTOCOL_ERROR : NO_ERROR
      default:
        return NO_ERROR
    }
  }
}
