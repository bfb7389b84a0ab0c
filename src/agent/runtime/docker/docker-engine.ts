import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type Dockerode from 'dockerode'
import { EngineError, engineError } from './engine-error.ts'

/** Of an engine on the same machine a hung one is known by this. */
export const ANSWER_MS = 10_000
/** Creating, starting and removing wait for disks and kernels. */
export const WORK_MS = 120_000

export interface EngineRequest {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PUT'
  readonly path: string
  /** Objects among the values are written as JSON, as Docker wants its filters. */
  readonly query?: Readonly<Record<string, string | number | boolean | object | undefined>>
  readonly body?: object
  /** In place of a JSON body. */
  readonly archive?: Buffer
  readonly registryAuth?: object
  /** For the whole answer, and of a stream for its beginning. */
  readonly timeoutMs?: number
  /** Ends the call, and the stream that it gave. */
  readonly signal?: AbortSignal
}

const SUCCESS = { 101: true, 200: true, 201: true, 204: true, 304: true } as const

/** Of DOCKER_HOST, DOCKER_TLS_VERIFY and their like. */
const FROM_ENVIRONMENT = {
  port: undefined,
  username: undefined,
  pathPrefix: undefined,
  ca: undefined,
  cert: undefined,
  key: undefined,
  timeout: undefined,
}

/**
 * A Docker engine's API through dockerode, which is loaded with the first engine. Every call has a deadline: an engine
 * that is stopped takes connections and never answers. All methods reject with EngineError.
 */
export class DockerEngine {
  /** `unix:///var/run/docker.sock`, for messages. */
  readonly host: string
  readonly #docker: Dockerode

  private constructor(host: string, docker: Dockerode) {
    this.host = host
    this.#docker = docker
  }

  /** `unix://<path>` or `tcp://<host>:<port>`; throws EngineError for anything else. Nothing is asked yet. */
  static async open(host: string): Promise<DockerEngine> {
    const unix = /^unix:\/\/(\/.+)$/.exec(host)?.[1]
    const tcp = /^(?:tcp|http):\/\/(\[[^\]]+\]|[^:/]+):(\d+)\/?$/.exec(host)
    if (unix === undefined && tcp === null)
      throw new EngineError(`"${host}" is no address of a Docker engine like unix:///var/run/docker.sock`, undefined)
    const { default: Docker } = await import('dockerode')
    // All that dockerode would take from the environment is given, or it goes where that says.
    const options = {
      ...FROM_ENVIRONMENT,
      protocol: 'http' as const,
      // A kept connection would break with the first call after an engine's restart. Not by an agent: dockerode prints all
      // that it is given for a log that nobody reads, and an agent knows every connection there is.
      headers: { connection: 'close' },
      ...(unix === undefined
        ? { host: tcp![1]!.replace(/^\[|\]$/g, ''), port: Number(tcp![2]) }
        : { host: undefined, socketPath: unix }),
    }
    try {
      return new DockerEngine(host, new Docker(options))
    } catch (cause) {
      throw engineError(cause, host)
    }
  }

  /** The decoded JSON of the answer. */
  async call<T>(request: EngineRequest): Promise<T> {
    const deadline = AbortSignal.timeout(request.timeoutMs ?? ANSWER_MS)
    const signal = request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal])
    return (await this.#dial(request, { abortSignal: signal })) as T
  }

  /** An answer that comes bit by bit. `timeoutMs` counts until it begins. */
  async stream(request: EngineRequest): Promise<IncomingMessage> {
    return (await this.#open(request, { isStream: true })) as IncomingMessage
  }

  /** A connection that carries bytes both ways; ending it closes the one direction only. */
  async hijack(request: EngineRequest): Promise<Duplex> {
    // Without a body nothing is sent until the first byte of input. An empty one leaves with the headers in one write, and
    // the engine takes both off the connection before it is handed over.
    const withBody = { ...request, body: request.body ?? {} }
    return (await this.#open(withBody, { hijack: true, openStdin: true, isStream: true, allowEmpty: true })) as Duplex
  }

  /** Like a call, but once it has begun the deadline no longer counts. */
  async #open(request: EngineRequest, more: object): Promise<unknown> {
    const abort = new AbortController()
    const onAbort = (): void => abort.abort()
    if (request.signal?.aborted === true) abort.abort()
    request.signal?.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(onAbort, request.timeoutMs ?? ANSWER_MS)
    try {
      const stream = (await this.#dial(request, { ...more, abortSignal: abort.signal })) as Duplex
      // A hijacked socket is no longer its request's to abort.
      abort.signal.addEventListener('abort', () => stream.destroy(), { once: true })
      stream.once('close', () => request.signal?.removeEventListener('abort', onAbort))
      return stream
    } catch (error) {
      request.signal?.removeEventListener('abort', onAbort)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #dial(request: EngineRequest, more: object): Promise<unknown> {
    const { method, path, query = {}, body, archive, registryAuth } = request
    const texts = Object.entries(query)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === 'object' ? JSON.stringify(value) : String(value)])
    const search = new URLSearchParams(texts as [string, string][]).toString()
    const options = {
      method,
      path: search === '' ? path : `${path}?${search}&`,
      statusCodes: SUCCESS,
      ...(archive === undefined ? {} : { file: archive }),
      ...(body === undefined ? {} : { options: { _query: {}, _body: body } }),
      ...(registryAuth === undefined ? {} : { authconfig: registryAuth }),
      ...more,
    }
    return new Promise((resolve, reject) => {
      this.#docker.modem.dial(options, (error: unknown, answer: unknown) => {
        if (error === null || error === undefined) resolve(answer)
        else reject(engineError(error, this.host))
      })
    })
  }
}
