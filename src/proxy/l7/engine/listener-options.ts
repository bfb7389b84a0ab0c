import type { ListenOptions } from 'node:net'
import type { TlsOptions } from '../tls/tls-options.ts'

/** How clients are served. */
export interface ServingOptions {
  /** Clients speak TLS, which ends here. */
  readonly tls?: TlsOptions | undefined
  /**
   * Clients may speak HTTP/2: over TLS if they choose it by ALPN, else if they begin with its preface. HTTP/1.1 is
   * understood beside it. Default true.
   */
  readonly http2?: boolean | undefined
  /**
   * `required`: each connection begins with a PROXY protocol header (version 1 or 2), whose source address is the
   * client's. There is no way to accept connections with and without: whoever reached the port could claim to be anyone.
   * Default `off`.
   */
  readonly proxyProtocol?: 'off' | 'required' | undefined
}

/** Where and how clients are listened for. */
export interface ListenerOptions extends ListenOptions, ServingOptions {
  /**
   * Connections wait, accepted and unread, until `EngineListener.begin`: for a port that is opened before it is known
   * where its requests go. Default false.
   */
  readonly isHeld?: boolean
}
