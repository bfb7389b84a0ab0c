/**
 * The proxy of a running cluster beside its peers, all of them before the same two pods (nginx): `node
 * bench/nodeport.bench.ts [rounds]`. wherry's node ports, one that balances requests and one that relays bytes, nginx and
 * HAProxy; each proxy runs alone on one core in its turn, wrk and the pods share the other; 1 KB responses, kept
 * connections. Only ratios within one run count.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEPLOYMENTS, PODS, SERVICES } from '../src/api/resource-type.ts'
import type { Deployment } from '../src/api/types/apps-v1.gen.ts'
import type { Pod, Service } from '../src/api/types/core-v1.gen.ts'
import type { Client } from '../src/client/client.ts'
import { createClient } from '../src/client/create-client.ts'
import { createHttpTransport } from '../src/client/http-transport.ts'
import { loadKubeconfig } from '../src/client/load-kubeconfig.ts'
import { startTestCluster } from '../test/harness/cluster.ts'
import { eventually } from '../test/harness/eventually.ts'
import { describeMachine } from './describe-machine.ts'
import { cpuSeconds, memoryMiB } from './process-usage.ts'

const CONNECTIONS = [64, 256] as const
const PROXY_CORE = '0'
const LOAD_CORE = '1'
const REPLICAS = 2
const SLICE_SECONDS = 2
const WARM_SECONDS = 3
const HTTP_PORT = 30_400
const RAW_PORT = 30_401
const NAMESPACE = 'default'

const has = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
const median = (values: readonly number[]): number => values.toSorted((x, y) => x - y)[values.length >> 1] ?? Number.NaN

/** A pod that answers 1 KB as cheaply as can be. */
const POD_SCRIPT = `
cat > nginx.conf <<EOF
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 3600; client_body_temp_path body;
  proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen $HOST:8080 backlog=4096; location / { default_type text/plain; return 200 "${'x'.repeat(1_024)}"; } } }
EOF
exec taskset -c ${LOAD_CORE} nginx -p "$PWD" -c "$PWD/nginx.conf"
`

async function deploy(client: Client): Promise<readonly string[]> {
  const labels = { app: 'backend' }
  const container = {
    name: 'nginx',
    image: 'nginx',
    command: ['sh', '-c', POD_SCRIPT],
    ports: [{ containerPort: 8080 }],
  }
  const readinessProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1 }
  await client.create<Deployment>(DEPLOYMENTS, {
    metadata: { name: 'backend', namespace: NAMESPACE },
    spec: {
      replicas: REPLICAS,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ ...container, readinessProbe }] } },
    },
  } as Deployment)
  await client.create<Service>(SERVICES, {
    metadata: { name: 'backend', namespace: NAMESPACE },
    spec: {
      type: 'NodePort',
      selector: labels,
      ports: [
        { name: 'http', port: 80, targetPort: 8080, nodePort: HTTP_PORT },
        { name: 'raw', port: 81, targetPort: 8080, nodePort: RAW_PORT },
      ],
    },
  } as Service)
  return eventually(
    async () => {
      const { items } = await client.list<Pod>(PODS, { namespace: NAMESPACE, labelSelector: 'app=backend' })
      const ready = items.filter((pod) =>
        pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
      )
      return ready.length === REPLICAS ? ready.map((pod) => `${pod.status!.podIP}:8080`) : undefined
    },
    60_000,
    'ready pods',
  )
}

function pinned(command: string, args: readonly string[]): ChildProcess {
  return spawn('taskset', ['-c', PROXY_CORE, command, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
}

function startNginx(port: number, pods: readonly string[], directory: string): ChildProcess {
  const file = join(directory, 'proxy.conf')
  writeFileSync(
    file,
    `daemon off; master_process off; worker_processes 1; pid proxy.pid; error_log stderr crit;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 3600; client_body_temp_path body;
  proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream b { ${pods.map((pod) => `server ${pod};`).join(' ')} keepalive 128; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`,
  )
  return pinned('nginx', ['-p', directory, '-c', file])
}

function startHaproxy(port: number, pods: readonly string[], directory: string): ChildProcess {
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  http-reuse always
  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
${pods.map((pod, i) => `  server s${i} ${pod}`).join('\n')}
`,
  )
  return pinned('haproxy', ['-db', '-f', file])
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function wrk(address: string, c: number, seconds: number): string {
  const args = ['-c', LOAD_CORE, 'wrk', '-t1', `-c${c}`, `-d${seconds}s`, '--latency', `http://${address}/`]
  return execFileSync('taskset', args, { encoding: 'utf8' })
}

const count = (pattern: RegExp, text: string): number => Number(pattern.exec(text)?.[1] ?? 0)

function milliseconds(text: string, percentile: string): number {
  const [, value, unit] = new RegExp(`${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? []
  return Number(value) * { us: 0.001, ms: 1, s: 1_000 }[unit as 'us' | 'ms' | 's']
}

interface Target {
  readonly name: string
  readonly address: string
  /** undefined: there is no proxy. */
  readonly pid: number | undefined
}

interface Row {
  readonly proxy: string
  readonly c: number
  readonly 'req/s': number
  readonly 'CPU µs/req': number
  readonly 'p50 ms': number
  readonly 'p99 ms': number
  readonly 'RSS MiB': number
  readonly errors: number
}

/** All in turn, again and again, so that whatever else the machine does falls on all of them alike. */
function measure(targets: readonly Target[], c: number, rounds: number): readonly Row[] {
  const sums = targets.map(() => ({ requests: 0, cpu: 0, errors: 0, p50: [] as number[], p99: [] as number[] }))
  for (const { address } of targets) wrk(address, c, WARM_SECONDS)
  for (let round = 0; round < rounds; round++) {
    for (const [i, { address, pid }] of targets.entries()) {
      const sum = sums[i]!
      const before = pid === undefined ? 0 : cpuSeconds(pid)
      const text = wrk(address, c, SLICE_SECONDS)
      if (pid !== undefined) sum.cpu += cpuSeconds(pid) - before
      sum.requests += count(/(\d+) requests in/, text)
      sum.errors += count(/Non-2xx or 3xx responses: (\d+)/, text)
      for (const [n] of (/Socket errors: (.*)/.exec(text)?.[1] ?? '').matchAll(/\d+/g)) sum.errors += Number(n)
      sum.p50.push(milliseconds(text, '50'))
      sum.p99.push(milliseconds(text, '99'))
    }
  }
  return targets.map(({ name, pid }, i) => {
    const { requests, cpu, errors, p50, p99 } = sums[i]!
    return {
      proxy: name,
      c,
      'req/s': Math.round(requests / rounds / SLICE_SECONDS),
      'CPU µs/req': Number(((cpu * 1e6) / requests).toFixed(2)),
      'p50 ms': Number(median(p50).toFixed(2)),
      'p99 ms': Number(median(p99).toFixed(2)),
      'RSS MiB': pid === undefined ? 0 : Math.round(memoryMiB(pid).rss),
      errors,
    }
  })
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 3)
  const missing = ['wrk', 'nginx', 'haproxy', 'taskset'].filter((command) => !has(command))
  if (missing.length > 0) {
    process.stdout.write(`left out: ${missing.join(', ')} not installed\n`)
    return
  }
  process.stdout.write(`${describeMachine()}; ${rounds} × ${SLICE_SECONDS} s each\n`)
  const directory = mkdtempSync(join(tmpdir(), 'wherry-nodeport-bench-'))
  const cluster = await startTestCluster()
  const children: ChildProcess[] = []
  try {
    const transport = createHttpTransport(loadKubeconfig(cluster.kubeconfig))
    const pods = await deploy(createClient(transport))
    await transport.close()
    const { nodes, processes } = await cluster.status()
    const pid = processes.find(({ role }) => role === 'proxy')!.pid
    execFileSync('taskset', ['-a', '-p', '-c', PROXY_CORE, `${pid}`])
    const { address } = nodes[0]!
    const [nginxPort, haproxyPort] = [await freePort(), await freePort()]
    const nginx = startNginx(nginxPort, pods, directory)
    const haproxy = startHaproxy(haproxyPort, pods, directory)
    children.push(nginx, haproxy)
    const targets: readonly Target[] = [
      { name: 'none', address: pods[0]!, pid: undefined },
      { name: 'nginx', address: `127.0.0.1:${nginxPort}`, pid: nginx.pid },
      { name: 'haproxy', address: `127.0.0.1:${haproxyPort}`, pid: haproxy.pid },
      { name: 'wherry, node port, HTTP', address: `${address}:${HTTP_PORT}`, pid },
      { name: 'wherry, node port, relayed', address: `${address}:${RAW_PORT}`, pid },
    ]
    for (const target of targets)
      await eventually(async () => (await fetch(`http://${target.address}/`)).ok || undefined, 20_000, target.name)
    const rows = CONNECTIONS.flatMap((c) => measure(targets, c, rounds))
    console.table(rows)
    for (const c of CONNECTIONS) {
      const cost = (name: string): number => rows.find((row) => row.c === c && row.proxy === name)!['CPU µs/req']
      const best = Math.min(cost('nginx'), cost('haproxy'))
      for (const { name } of targets.filter((target) => target.pid === pid))
        process.stdout.write(`c=${c} ${name}: ${(cost(name) / best).toFixed(2)} of the better of nginx and HAProxy\n`)
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await cluster.destroy()
    rmSync(directory, { recursive: true, force: true })
  }
}

await main()
