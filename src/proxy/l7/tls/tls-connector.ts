import { isIP, Socket } from 'node:net'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { UpstreamTlsOptions } from './tls-options.ts'

/** Makes encrypted connections to endpoints. */
export class TlsConnector {
  #options: UpstreamTlsOptions
  #context: SecureContext

  /** Throws when a certificate is none, or the key is not its own. */
  constructor(options: UpstreamTlsOptions) {
    this.#options = options
    this.#context = contextOf(options)
  }

  /** For connections to come. Throws as the constructor does; all is then as it was. */
  change(options: UpstreamTlsOptions): void {
    this.#context = contextOf(options)
    this.#options = options
  }

  /**
   * Says `secureConnect` when the endpoint has proved who it is, and breaks when it has not. `preface` goes ahead,
   * unencrypted. `protocols`: what is offered (ALPN).
   */
  connect(
    address: string,
    port: number,
    preface: Uint8Array | undefined,
    protocols: readonly string[] = ['http/1.1'],
  ): { readonly encrypted: TLSSocket; readonly plain: Socket } {
    const { serverName, verifies = true } = this.#options
    const plain = new Socket({ allowHalfOpen: true })
    plain.setNoDelay(true)
    // What matters comes with the encrypted socket's 'close'.
    plain.on('error', () => {})
    plain.connect({ host: address, port })
    // Before TLS takes hold of it, so that it is sent first.
    if (preface !== undefined) plain.write(preface)
    const name = serverName ?? (isIP(address) === 0 ? address : undefined)
    const encrypted = connect({
      socket: plain,
      host: address,
      secureContext: this.#context,
      rejectUnauthorized: verifies,
      ALPNProtocols: [...protocols],
      ...(name === undefined ? {} : { servername: name }),
    })
    return { encrypted, plain }
  }
}

function contextOf({ ca, certificate, key }: UpstreamTlsOptions): SecureContext {
  return createSecureContext({
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  })
}
