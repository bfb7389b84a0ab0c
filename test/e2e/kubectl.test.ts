import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import {
  KUBECTL_MISSING,
  type KubectlResult,
  kubectlOk,
  kubectls,
  runKubectl,
  spawnKubectl,
} from '../harness/kubectl.ts'

// Every verb a person uses, with the oldest and the newest kubectl, unmodified, against one cluster.
const all = kubectls()

function webDeployment(name: string, replicas: number): string {
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: { app: name } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 2,
          containers: [
            {
              name: 'web',
              image: 'node',
              command: [
                'node',
                '-e',
                "console.log('started', process.env.COLOR); require('http').createServer((q, r) => { console.log(q.url); r.end('ok') }).listen(8080, process.env.HOST)",
              ],
              ports: [{ containerPort: 8080 }],
              env: [{ name: 'COLOR', value: 'blue' }],
            },
          ],
        },
      },
    },
  })
}

if (all.length === 0) test('kubectl', { skip: KUBECTL_MISSING }, () => {})

for (const kubectl of all) {
  describe(`kubectl ${kubectl.minor}`, () => {
    let cluster: TestCluster
    const ns = 'work'
    const k = (...args: string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, ['-n', ns, ...args])
    const fed = (input: string, ...args: string[]): Promise<string> =>
      kubectlOk(kubectl, cluster.kubeconfig, ['-n', ns, ...args], { input })
    const failing = (...args: string[]): Promise<KubectlResult> =>
      runKubectl(kubectl, cluster.kubeconfig, ['-n', ns, ...args])

    before(async () => {
      cluster = await startTestCluster([])
      await k('create', 'namespace', ns)
    })
    after(async () => {
      await cluster?.destroy()
    })

    test('cluster-info, version, api-resources, api-versions', async () => {
      assert.match(await k('cluster-info'), /Kubernetes control plane.* is running at .*https:\/\/127\.0\.0\.1/)
      assert.match(await k('version', '-o', 'json'), /"gitVersion": "v1\.36\.0\+wherry/)
      const resources = await k('api-resources')
      for (const row of [
        /^pods +po +v1 +true +Pod/m,
        /^deployments +deploy +apps\/v1 +true +Deployment/m,
        /^poddisruptionbudgets +pdb +policy\/v1/m,
      ])
        assert.match(resources, row)
      const versions = (await k('api-versions')).trim().split('\n')
      for (const version of [
        'v1',
        'apps/v1',
        'discovery.k8s.io/v1',
        'coordination.k8s.io/v1',
        'policy/v1',
        'events.k8s.io/v1',
      ])
        assert.ok(versions.includes(version), version)
    })

    test('get nodes prints the columns people know', async () => {
      const [head, row] = (await k('get', 'nodes', '-o', 'wide')).split('\n')
      assert.match(
        head!,
        /^NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME/,
      )
      assert.match(row!, /^wherry-1 +Ready +\S+ +\S+ +v1\.36\.0\+wherry\S* +127\.\d+\.0\.1 .* process:\/\//)
    })

    test('create, get in every output form, edit and delete a ConfigMap', async () => {
      assert.equal(
        await k('create', 'configmap', 'settings', '--from-literal=a=1', '--from-literal=b=2'),
        'configmap/settings created\n',
      )
      assert.match(await k('get', 'configmap', 'settings'), /^NAME +DATA +AGE\nsettings +2 +\d+s\n$/)
      assert.equal(JSON.parse(await k('get', 'cm', 'settings', '-o', 'json')).data.a, '1')
      assert.match(await k('get', 'cm', 'settings', '-o', 'yaml'), /data:\n {2}a: "1"\n {2}b: "2"/)
      assert.equal(await k('get', 'cm', 'settings', '-o', 'name'), 'configmap/settings\n')
      assert.equal(await k('get', 'cm', 'settings', '-o', 'jsonpath={.data.b}'), '2')
      assert.equal(await k('get', 'cm', 'settings', '-o', 'go-template={{.data.b}}'), '2')
      assert.match(
        await k('get', 'cm', 'settings', '-o', 'custom-columns=N:.metadata.name,A:.data.a'),
        /^N +A\nsettings +1\n$/,
      )
      const edited = await kubectlOk(kubectl, cluster.kubeconfig, ['-n', ns, 'edit', 'configmap', 'settings'], {
        env: { KUBE_EDITOR: 'sed -i \'s/a: "1"/a: "9"/\'' },
      })
      assert.equal(edited, 'configmap/settings edited\n')
      assert.equal(await k('get', 'cm', 'settings', '-o', 'jsonpath={.data.a}'), '9')
      assert.equal(
        await k('delete', 'cm', 'settings'),
        `configmap "settings" deleted${Number(kubectl.minor.slice(2)) >= 34 ? ` from ${ns} namespace` : ''}\n`,
      )
    })

    test('errors come in the words people know', async () => {
      assert.match(
        (await failing('get', 'pod', 'missing')).stderr,
        /Error from server \(NotFound\): pods "missing" not found/,
      )
      assert.match((await failing('get', 'nonsense')).stderr, /the server doesn't have a resource type "nonsense"/)
      await k('create', 'configmap', 'twice')
      assert.match((await failing('create', 'configmap', 'twice')).stderr, /configmaps "twice" already exists/)
      const invalid = await runKubectl(kubectl, cluster.kubeconfig, ['-n', ns, 'create', '-f', '-'], {
        input: JSON.stringify({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'Bad_Name' },
          spec: { containers: [] },
        }),
      })
      assert.match(invalid.stderr, /The Pod "Bad_Name" is invalid: \n?\* metadata\.name: Invalid value: "Bad_Name"/)
      assert.match(invalid.stderr, /spec\.containers: Required value/)
      const unknown = await runKubectl(kubectl, cluster.kubeconfig, ['-n', ns, 'create', '-f', '-'], {
        input: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'odd' }, dada: {} }),
      })
      assert.match(unknown.stderr, /unknown field "dada"/)
      assert.match(
        (await failing('create', 'configmap', 'x', '--namespace', 'nowhere')).stderr,
        /namespaces "nowhere" not found/,
      )
    })

    test('apply, patch in three ways, label, annotate, replace, diff-free re-apply', async () => {
      assert.equal(await fed(webDeployment('web', 2), 'apply', '-f', '-'), 'deployment.apps/web created\n')
      assert.equal(await fed(webDeployment('web', 2), 'apply', '-f', '-'), 'deployment.apps/web unchanged\n')
      assert.match(await k('rollout', 'status', 'deployment/web', '--timeout=60s'), /successfully rolled out/)
      assert.equal(
        await k(
          'patch',
          'deployment',
          'web',
          '-p',
          '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"COLOR","value":"red"}]}]}}}}',
        ),
        'deployment.apps/web patched\n',
      )
      assert.equal(
        await k('patch', 'deployment', 'web', '--type=merge', '-p', '{"metadata":{"labels":{"team":"a"}}}'),
        'deployment.apps/web patched\n',
      )
      assert.equal(
        await k(
          'patch',
          'deployment',
          'web',
          '--type=json',
          '-p',
          '[{"op":"replace","path":"/spec/replicas","value":3}]',
        ),
        'deployment.apps/web patched\n',
      )
      const after = JSON.parse(await k('get', 'deployment', 'web', '-o', 'json'))
      assert.deepEqual(after.spec.template.spec.containers[0].env, [{ name: 'COLOR', value: 'red' }])
      assert.equal(after.metadata.labels.team, 'a')
      assert.equal(after.spec.replicas, 3)
      assert.equal(await k('label', 'deployment', 'web', 'tier=front'), 'deployment.apps/web labeled\n')
      // kubectl 1.27 leaves the last letters out.
      assert.match(await k('annotate', 'deployment', 'web', 'note=hello'), /^deployment\.apps\/web annotate(d)?\n$/)
      // kubectl reads the version it replaces; a controller that writes in between makes it a conflict, as anywhere.
      await k('rollout', 'status', 'deployment/web', '--timeout=60s')
      const replaced = await eventually(() => fed(webDeployment('web', 2), 'replace', '-f', '-'))
      assert.equal(replaced, 'deployment.apps/web replaced\n')
      await k('rollout', 'status', 'deployment/web', '--timeout=60s')
    })

    test('get pods with selectors, sorting and watching', async () => {
      await eventually(async () =>
        (await k('get', 'pods', '-l', 'app=web', '--no-headers')).trim().split('\n').length === 2 ? true : undefined,
      )
      assert.match(
        await k('get', 'pods', '-l', 'app=web'),
        /^NAME +READY +STATUS +RESTARTS +AGE\nweb-\S+ +1\/1 +Running +0 +\S+\nweb-/,
      )
      assert.match(await k('get', 'pods', '-o', 'wide'), /IP +NODE +NOMINATED NODE +READINESS GATES/)
      assert.equal(
        (await k('get', 'pods', '--field-selector', 'status.phase=Running', '-o', 'name')).trim().split('\n').length,
        2,
      )
      assert.match((await failing('get', 'pods', '-l', 'app in (none)')).stderr, /No resources found in work namespace/)
      assert.equal((await k('get', 'pods', '--sort-by=.metadata.name', '-o', 'name')).trim().split('\n').length, 2)
      assert.match(await k('get', 'deploy,rs,po,svc', '-A'), /deployment\.apps\/web/)

      const watcher = spawnKubectl(kubectl, cluster.kubeconfig, ['-n', ns, 'get', 'configmaps', '-w', '-o', 'name'])
      let seen = ''
      watcher.stdout!.on('data', (chunk: Buffer) => {
        seen += chunk.toString()
      })
      try {
        await eventually(() => (seen.includes('kube-root-ca.crt') ? true : undefined))
        await k('create', 'configmap', 'watched')
        await eventually(() => (seen.includes('configmap/watched') ? true : undefined))
      } finally {
        watcher.kill()
      }
    })

    test('describe, events and logs', async () => {
      const [pod] = (await k('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.name}')).split(' ')
      const described = await k('describe', 'pod', pod!)
      for (const words of [
        /^Status: +Running/m,
        /^Node: +wherry-1\/127\./m,
        /Successfully assigned work\/web-/,
        /Created/,
        /Started/,
      ])
        assert.match(described, words)
      assert.match(await k('describe', 'deployment', 'web'), /Scaled up replica set web-\S+ (from 0 )?to/)
      assert.match(await k('describe', 'node', 'wherry-1'), /Non-terminated Pods/)
      assert.match(await k('events', '--for', `pod/${pod}`), /Started/)
      assert.match(await k('get', 'events'), /LAST SEEN +TYPE +REASON +OBJECT +MESSAGE/)
      assert.match(await k('logs', pod!), /^started blue\n/)
      assert.match(
        await k('logs', pod!, '-c', 'web', '--timestamps', '--tail=1'),
        /^\d{4}-\d\d-\d\dT\S+Z started blue\n$/,
      )
      assert.equal(await k('logs', pod!, '--since=0s', '--tail=0'), '')
      assert.match(await k('logs', 'deployment/web'), /started blue/)

      const follower = spawnKubectl(kubectl, cluster.kubeconfig, ['-n', ns, 'logs', '-f', pod!])
      let seen = ''
      follower.stdout!.on('data', (chunk: Buffer) => {
        seen += chunk.toString()
      })
      try {
        await eventually(() => (seen.includes('started blue') ? true : undefined))
        const ip = await k('get', 'pod', pod!, '-o', 'jsonpath={.status.podIP}')
        await fetch(`http://${ip}:8080/hello-log`)
        await eventually(() => (seen.includes('/hello-log') ? true : undefined))
      } finally {
        follower.kill()
      }
    })

    test('scale, set image and env, rollout history, undo, pause, resume, restart', async () => {
      assert.equal(await k('scale', 'deployment/web', '--replicas=1'), 'deployment.apps/web scaled\n')
      await k('wait', '--for=jsonpath={.status.replicas}=1', 'deployment/web', '--timeout=60s')
      assert.equal(await k('set', 'env', 'deployment/web', 'COLOR=green'), 'deployment.apps/web env updated\n')
      await k('rollout', 'status', 'deployment/web', '--timeout=60s')
      assert.match(await k('rollout', 'history', 'deployment/web'), /REVISION +CHANGE-CAUSE\n\d+ +<none>\n\d+ +<none>/)
      assert.match(await k('rollout', 'undo', 'deployment/web'), /rolled back/)
      await k('rollout', 'status', 'deployment/web', '--timeout=60s')
      assert.equal(
        await k('get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].env[0].value}'),
        'blue',
      )
      assert.equal(await k('rollout', 'pause', 'deployment/web'), 'deployment.apps/web paused\n')
      assert.equal(await k('set', 'image', 'deployment/web', 'web=node:24'), 'deployment.apps/web image updated\n')
      assert.equal(await k('rollout', 'resume', 'deployment/web'), 'deployment.apps/web resumed\n')
      await k('rollout', 'status', 'deployment/web', '--timeout=60s')
      assert.equal(await k('rollout', 'restart', 'deployment/web'), 'deployment.apps/web restarted\n')
      await k('rollout', 'status', 'deployment/web', '--timeout=60s')
    })

    test('expose, run, wait', async () => {
      assert.equal(
        await k('expose', 'deployment', 'web', '--port=80', '--target-port=8080', '--type=NodePort'),
        'service/web exposed\n',
      )
      const port = await k('get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}')
      await eventually(async () => ((await fetch(`http://127.0.0.1:${port}/`)).ok ? true : undefined))
      assert.match(await k('get', 'endpointslices', '-l', 'kubernetes.io/service-name=web'), /IPv4 +8080 +127\./)
      assert.equal(
        await k(
          'run',
          'once',
          '--image=node',
          '--restart=Never',
          '--command',
          '--',
          'node',
          '-e',
          'console.log(6 * 7)',
        ),
        'pod/once created\n',
      )
      await k('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/once', '--timeout=60s')
      assert.equal(await k('logs', 'once'), '42\n')
      assert.match(await k('get', 'pod', 'once'), /once +0\/1 +Completed/)
    })

    test('a crashing container backs off, and its previous log stays', async () => {
      await k(
        'run',
        'crash',
        '--image=node',
        '--command',
        '--',
        'node',
        '-e',
        "console.log('last words'); process.exit(3)",
      )
      await eventually(
        async () => (/CrashLoopBackOff/.test(await k('get', 'pod', 'crash')) ? true : undefined),
        60_000,
        'CrashLoopBackOff',
      )
      assert.equal(await k('logs', 'crash', '--previous'), 'last words\n')
      assert.match(await k('describe', 'pod', 'crash'), /Exit Code: +3/)
      await k('delete', 'pod', 'crash', '--now')
    })

    test('a container without a command says which runtimes can run images', async () => {
      await k('run', 'image', '--image=nginx')
      await eventually(
        async () => (/process runtime/.test(await k('describe', 'pod', 'image')) ? true : undefined),
        30_000,
        'the reason',
      )
      await k('delete', 'pod', 'image', '--now')
    })

    test('cordon, drain with a disruption budget, uncordon', async () => {
      await k('create', 'poddisruptionbudget', 'web', '--selector=app=web', '--min-available=1')
      await eventually(async () =>
        (await k('get', 'pdb', 'web', '-o', 'jsonpath={.status.expectedPods}')) === '1' ? true : undefined,
      )
      assert.match(await k('cordon', 'wherry-1'), /node\/wherry-1 cordoned/)
      assert.match(await k('get', 'nodes'), /Ready,SchedulingDisabled/)
      const refused = await failing(
        'drain',
        'wherry-1',
        '--ignore-daemonsets',
        '--force',
        '--delete-emptydir-data',
        '--timeout=3s',
      )
      assert.notEqual(refused.code, 0)
      assert.match(refused.stderr, /Cannot evict pod as it would violate the pod's disruption budget/)
      await k('delete', 'pdb', 'web')
      await k('drain', 'wherry-1', '--ignore-daemonsets', '--force', '--delete-emptydir-data', '--timeout=60s')
      await eventually(async () => (/Pending/.test(await k('get', 'pods', '-l', 'app=web')) ? true : undefined))
      assert.match(
        await k('describe', 'pods', '-l', 'app=web'),
        /0\/1 nodes are available: 1 node\(s\) were unschedulable/,
      )
      await k('uncordon', 'wherry-1')
      await k('rollout', 'status', 'deployment/web', '--timeout=60s')
    })

    test('dry runs, explain, auth can-i, proxy-free raw paths', async () => {
      assert.match(await k('create', 'configmap', 'dry', '--dry-run=server', '-o', 'name'), /configmap\/dry/)
      assert.match((await failing('get', 'configmap', 'dry')).stderr, /not found/)
      assert.match(await k('explain', 'deployment.spec.strategy'), /rollingUpdate/)
      assert.match(await k('auth', 'can-i', 'create', 'pods'), /^yes/)
      assert.equal(await k('get', '--raw', '/readyz'), 'ok')
    })

    test('deleting: cascades, collections, namespaces', async () => {
      await k('delete', 'deployment', 'web')
      await eventually(async () =>
        (await k('get', 'rs,pods', '-l', 'app=web', '-o', 'name')) === '' ? true : undefined,
      )
      await k('delete', 'configmaps', '--all')
      await eventually(async () =>
        (await k('get', 'configmaps', '-o', 'name')) === 'configmap/kube-root-ca.crt\n' ? true : undefined,
      )
      await k('delete', 'namespace', ns, '--timeout=60s')
      assert.match((await failing('get', 'namespace', ns)).stderr, /not found/)
    })
  })
}
