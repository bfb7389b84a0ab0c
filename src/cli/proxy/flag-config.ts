import type { Algorithm } from '../../proxy/balance/algorithms.ts'
import type { ProxyConfig } from '../../proxy/l7/config/proxy-config.ts'
import { UserError } from '../user-error.ts'
import { type AddressAndPort, formatAddress, parseAddress } from './parse-address.ts'

/** What flags alone say of a proxy: one listener, one backend. */
export interface ConfigFlags {
  readonly listen: string
  /** Addresses, separated by commas. */
  readonly to: string
  readonly balance?: string
  readonly accessLog?: string
}

/** @throws UserError with what is wrong. */
export async function flagConfig({ listen, to, balance, accessLog }: ConfigFlags): Promise<ProxyConfig> {
  const { host, port } = addressIn('--listen', listen)
  const endpoints = to.split(',').map((text) => {
    const { host, port } = addressIn('--to', text.trim())
    if (port === 0) throw new UserError(`--to: "${text}" has no port.`)
    return { address: host, port }
  })
  const names = endpoints.map(({ address, port }) => formatAddress({ host: address, port }))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new UserError(`--to: ${twice} is there twice.`)
  return {
    listeners: [{ name: 'default', host, port }],
    backends: [{ name: 'default', endpoints, algorithm: await algorithmNamed(balance) }],
    routes: [{ name: 'default', backends: [{ upstream: 'default' }] }],
    ...(accessLog === undefined ? {} : { accessLog: { file: accessLog, sample: 1 } }),
  }
}

async function algorithmNamed(name: string | undefined): Promise<Algorithm> {
  const { ALGORITHMS, DEFAULT_ALGORITHM } = await import('../../proxy/balance/algorithms.ts')
  if (name === undefined) return DEFAULT_ALGORITHM
  if (Object.hasOwn(ALGORITHMS, name)) return name as Algorithm
  throw new UserError(`--balance: there is no "${name}".`, `There are ${Object.keys(ALGORITHMS).join(', ')}.`)
}

/** @throws UserError when it is none. */
export function addressIn(flag: string, text: string): AddressAndPort {
  const address = parseAddress(text)
  if (address !== undefined) return address
  throw new UserError(`${flag}: "${text}" is no address and port.`, 'Write it like 127.0.0.1:8080 or [::1]:8080.')
}
