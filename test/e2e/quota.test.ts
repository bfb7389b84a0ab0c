import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { KUBECTL_MISSING, type KubectlResult, kubectlOk, kubectls, runKubectl } from '../harness/kubectl.ts'

// Quotas and limits as administrators set them and as developers run into them, with the oldest and the newest kubectl.
const all = kubectls()

const IDLE = 'setInterval(() => {}, 60000)'

function deployment(name: string, replicas: number, resources: object): string {
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'idle', image: 'node', command: ['node', '-e', IDLE], resources }],
        },
      },
    },
  })
}

/** Words by single blanks: kubectl's versions lay their columns out differently. */
function squeezed(text: string): string {
  return text.replaceAll(/[ \t]+/g, ' ')
}

if (all.length === 0) test('quotas with kubectl', { skip: KUBECTL_MISSING }, () => {})
else {
  let cluster: TestCluster
  before(async () => {
    cluster = await startTestCluster([])
  })
  after(() => cluster?.destroy())

  for (const kubectl of all)
    describe(`quotas and limits with kubectl ${kubectl.minor}`, () => {
      const ns = `quota-${kubectl.minor.replaceAll(/\W/g, '-')}`
      const k = (...args: string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, ['-n', ns, ...args])
      const fed = (input: string, ...args: string[]): Promise<string> =>
        kubectlOk(kubectl, cluster.kubeconfig, ['-n', ns, ...args], { input })
      const failing = (...args: string[]): Promise<KubectlResult> =>
        runKubectl(kubectl, cluster.kubeconfig, ['-n', ns, ...args])

      before(async () => {
        await k('create', 'namespace', ns)
        // What every namespace is given: counted from the start.
        await eventually(() => k('get', 'serviceaccount/default', 'configmap/kube-root-ca.crt'))
      })

      test('kubectl create quota, get and describe', async () => {
        await k(
          'create',
          'quota',
          'all',
          '--hard=pods=3,requests.cpu=500m,limits.cpu=1,configmaps=2,services.nodeports=0',
        )
        const [head, line] = squeezed(await k('get', 'quota')).split('\n')
        assert.match(head!, /^NAME REQUEST LIMIT AGE/)
        assert.match(
          line!,
          /^all configmaps: 1\/2, pods: 0\/3, requests\.cpu: 0\/500m, services\.nodeports: 0\/0 limits\.cpu: 0\/1 /,
        )
        const described = squeezed(await k('describe', 'quota', 'all'))
        for (const row of ['configmaps 1 2', 'limits.cpu 0 1', 'pods 0 3', 'requests.cpu 0 500m'])
          assert.ok(described.includes(row), described)
      })

      test('what is too much is refused in Kubernetes words', async () => {
        await k('create', 'configmap', 'one')
        const { code, stderr } = await failing('create', 'configmap', 'two')
        assert.equal(code, 1)
        assert.match(
          stderr,
          /configmaps "two" is forbidden: exceeded quota: all, requested: configmaps=1, used: configmaps=2, limited: configmaps=2/,
        )
        const service = await failing('create', 'service', 'nodeport', 'web', '--tcp=80')
        assert.match(
          service.stderr,
          /exceeded quota: all, requested: services\.nodeports=1, used: services\.nodeports=0/,
        )
        await k('create', 'service', 'clusterip', 'web', '--tcp=80')
        const patched = await failing('patch', 'service', 'web', '-p', '{"spec":{"type":"NodePort"}}')
        assert.match(patched.stderr, /services "web" is forbidden: exceeded quota: all/)
      })

      test('a Deployment is told why it gets no pods, and gets them once there are limits by default', async () => {
        await fed(deployment('bare', 2, {}), 'apply', '-f', '-')
        await eventually(async () => {
          const events = await k('get', 'events', '--field-selector=reason=FailedCreate')
          assert.match(events, /Error creating: pods "bare-[^"]+" is forbidden: failed quota: all: must specify/)
          return true
        })
        const failure = await eventually(async () => {
          const text = await k('get', 'deployment', 'bare', '-o', 'jsonpath={.status.conditions}')
          return text.includes('ReplicaFailure') ? text : undefined
        })
        assert.match(failure, /must specify limits\.cpu for: idle; requests\.cpu for: idle/)
        const limits = {
          apiVersion: 'v1',
          kind: 'LimitRange',
          metadata: { name: 'cpu' },
          spec: {
            limits: [
              {
                type: 'Container',
                min: { cpu: '50m' },
                max: { cpu: '600m' },
                default: { cpu: '200m' },
                defaultRequest: { cpu: '100m' },
              },
            ],
          },
        }
        await fed(JSON.stringify(limits), 'create', '-f', '-')
        const described = squeezed(await k('describe', 'limits', 'cpu'))
        assert.match(described, /Container cpu 50m 600m 100m 200m -/)
        assert.match(await k('get', 'limits'), /^NAME\s+CREATED AT\ncpu\s+\d{4}-/)
        // Who was refused is told: no rollout has to be started, no back-off waited for.
        await k('rollout', 'status', 'deployment/bare', '--timeout=60s')
        const pod = JSON.parse(await k('get', 'pods', '-l', 'app=bare', '-o', 'json')).items[0]
        assert.deepEqual(pod.spec.containers[0].resources, { limits: { cpu: '200m' }, requests: { cpu: '100m' } })
        assert.equal(
          pod.metadata.annotations['kubernetes.io/limit-ranger'],
          'LimitRanger plugin set: cpu request for container idle; cpu limit for container idle',
        )
        await eventually(async () => {
          assert.match(await k('get', 'quota', 'all'), /pods: 2\/3, requests\.cpu: 200m\/500m.*limits\.cpu: 400m\/1/)
          return true
        })
      })

      test('a pod outside of the limits is refused', async () => {
        const { code, stderr } = await failing(
          'run',
          'big',
          '--image=node',
          '--overrides={"spec":{"containers":[{"name":"big","image":"node","resources":{"limits":{"cpu":"2"}}}]}}',
        )
        assert.equal(code, 1)
        assert.match(stderr, /pods "big" is forbidden: maximum cpu usage per Container is 600m, but limit is 2/)
      })

      test('a Deployment grows to what there is room for, and what it lets go of is free again', async () => {
        await k('scale', 'deployment/bare', '--replicas=5')
        await eventually(async () => {
          assert.match(
            await k('get', 'events', '--field-selector=reason=FailedCreate'),
            /exceeded quota: all, requested: pods=1, used: pods=3, limited: pods=3/,
          )
          assert.equal((await k('get', 'pods', '-o', 'name')).trim().split('\n').length, 3)
          return true
        })
        await k('scale', 'deployment/bare', '--replicas=0')
        await eventually(async () => {
          assert.match(await k('get', 'quota', 'all'), /pods: 0\/3, requests\.cpu: 0\/500m/)
          return true
        })
      })

      test('scopes: a quota on pods of a priority class', async () => {
        await k('delete', 'limits', 'cpu')
        await k('delete', 'quota', 'all')
        const quota = {
          apiVersion: 'v1',
          kind: 'ResourceQuota',
          metadata: { name: 'vital' },
          spec: {
            hard: { pods: '0' },
            scopeSelector: {
              matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-cluster-critical'] }],
            },
          },
        }
        await fed(JSON.stringify(quota), 'apply', '-f', '-')
        const run = (name: string, spec: object): string =>
          JSON.stringify({
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name },
            spec: { ...spec, containers: [{ name: 'idle', image: 'node', command: ['node', '-e', IDLE] }] },
          })
        await fed(run('plain', { terminationGracePeriodSeconds: 1 }), 'create', '-f', '-')
        await assert.rejects(
          fed(run('vital', { priorityClassName: 'system-cluster-critical' }), 'create', '-f', '-'),
          /exceeded quota: vital, requested: pods=1, used: pods=0, limited: pods=0/,
        )
        await k('delete', 'pod', 'plain')
      })

      test('the namespace goes away with its quotas', async () => {
        await k('delete', 'namespace', ns, '--timeout=60s')
      })
    })
}
