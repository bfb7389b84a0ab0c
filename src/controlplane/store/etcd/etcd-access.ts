/** Where an etcd is, and with what it is spoken to. */
export interface EtcdAccess {
  /** `http://host:2379` or `https://…`; all of one scheme. */
  readonly endpoints: readonly string[]
  readonly user?: { readonly name: string; readonly password: string }
  /** Without a CA the system's own ones count. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }
}
