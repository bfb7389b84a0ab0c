import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'

interface Discovery {
  readonly role: string
  readonly url: string
  readonly namespaces?: { readonly names: readonly string[] }
}

interface Job {
  readonly job_name: string
  readonly kubernetes_sd_configs: readonly Discovery[]
  readonly http_sd_configs: readonly Discovery[]
}

function jobsOf(file: string): readonly Job[] {
  const text = readFileSync(new URL(`../../../examples/${file}`, import.meta.url), 'utf8')
  return parse(text, { merge: true }).scrape_configs
}

test('both configurations of Prometheus have the same jobs, but for how they find targets', () => {
  const [first, second] = [jobsOf('prometheus.yml'), jobsOf('prometheus-http-sd.yml')]
  const rest = ({ kubernetes_sd_configs: _, http_sd_configs: __, ...job }: Job): object => job
  assert.deepEqual(second.map(rest), first.map(rest))
  for (const [i, job] of first.entries()) {
    const [found] = job.kubernetes_sd_configs
    const url = new URL(second[i]!.http_sd_configs[0]!.url)
    assert.equal(url.pathname, `/metrics/targets/${found!.role}`, job.job_name)
    assert.equal(url.searchParams.get('namespace') ?? undefined, found!.namespaces?.names[0], job.job_name)
  }
  const roles = new Set(first.map((job) => job.kubernetes_sd_configs[0]!.role))
  assert.deepEqual([...roles].sort(), ['endpoints', 'endpointslice', 'node', 'pod', 'service'])
})
