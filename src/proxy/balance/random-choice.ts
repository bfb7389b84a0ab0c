import type { Balancer } from './balancer.ts'

/** Any of them, each as likely: what kube-proxy's iptables and nftables rules do. */
export function randomChoice(random: () => number): Balancer<unknown> {
  return {
    pick: (endpoints) => (endpoints.length === 0 ? -1 : Math.floor(random() * endpoints.length)),
    started() {},
    finished() {},
  }
}
