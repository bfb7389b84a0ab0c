/** One certificate and its key, as PEM files that are read again when they change. */
export interface CertificateFiles {
  /** The certificate, followed by those between it and the root. */
  readonly certificateFile: string
  readonly keyFile: string
  /** Server names it is shown for, such as `shop.example` and `*.shop.example`. Default: those in the certificate. */
  readonly serverNames?: readonly string[]
}

/** How a listener ends TLS. */
export interface TlsOptions {
  /** At least one. The first is shown to clients that name no server, or one that none of them is for. */
  readonly certificates: readonly CertificateFiles[]
  /** Default `TLSv1.2`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** How often the files are looked at, in milliseconds. Default 5,000. */
  readonly watchMs?: number
  /** Files could not be used; what was read before stays. Said once per change of the files. */
  readonly onReloadFailed?: (error: Error) => void
}

/** How connections to an upstream are encrypted. */
export interface UpstreamTlsOptions {
  /** PEM certificates of the authorities to trust. Default: those that Node.js brings. */
  readonly ca?: string
  /** The name asked for (SNI) and looked for in the certificate. Default: the endpoint's address. */
  readonly serverName?: string
  /** What the proxy shows endpoints that ask who it is: PEM, the certificate followed by those between it and the root. */
  readonly certificate?: string
  /** Of `certificate`. */
  readonly key?: string
  /** Default true. False trusts anyone: the connection is encrypted, but nobody knows for whom. */
  readonly verifies?: boolean
}
