import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { POD } from '../../../../src/api/definitions/pod/definition.ts'
import type { Draft } from '../../../../src/api/object.ts'
import type { Container, PodSpec } from '../../../../src/api/types/core-v1.gen.ts'
import { podManifest } from './pod-fixture.ts'
import { create } from './strategies.ts'

interface Row {
  readonly name: string
  readonly spec?: Partial<Draft<PodSpec>>
  readonly container?: Partial<Draft<Container>>
  readonly want: readonly string[]
}

function table(about: string, rows: readonly Row[]): void {
  describe(about, () => {
    for (const { name, spec, container, want } of rows)
      test(name, () => assert.deepEqual(create(POD, podManifest(spec, container)).errors, want))
  })
}

const C = 'spec.containers[0]'

table('containers', [
  { name: 'a good pod', want: [] },
  { name: 'none', spec: { containers: [] }, want: ['spec.containers: Required value'] },
  { name: 'no name', container: { name: '' }, want: [`${C}.name: Required value`] },
  { name: 'no image', container: { image: '' }, want: [`${C}.image: Required value`] },
  {
    name: 'blanks around the image',
    container: { image: ' node' },
    want: [`${C}.image: Invalid value: " node": must not have leading or trailing whitespace`],
  },
  {
    name: 'one name twice, also across init containers',
    spec: { initContainers: [{ name: 'web', image: 'node' }] },
    want: ['spec.initContainers[0].name: Duplicate value: "web"'],
  },
  {
    name: 'a pull policy that is none',
    container: { imagePullPolicy: 'Sometimes' },
    want: [`${C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`],
  },
  {
    name: 'an init container that ends has nothing to watch over',
    spec: { initContainers: [{ name: 'init', image: 'node', readinessProbe: { tcpSocket: { port: 1 } } }] },
    want: [
      'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
  },
  {
    name: 'a sidecar may be probed',
    spec: {
      initContainers: [
        { name: 'side', image: 'node', restartPolicy: 'Always', readinessProbe: { tcpSocket: { port: 1 } } },
      ],
    },
    want: [],
  },
])

table('ports', [
  {
    name: 'no number',
    container: { ports: [{ containerPort: 0 }] },
    want: [`${C}.ports[0].containerPort: Required value`],
  },
  {
    name: 'beyond the range',
    container: { ports: [{ containerPort: 70_000 }] },
    want: [`${C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`],
  },
  {
    name: 'a protocol that is none',
    container: { ports: [{ containerPort: 80, protocol: 'tcp' }] },
    want: [`${C}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"`],
  },
  {
    name: 'one name twice',
    container: {
      ports: [
        { name: 'http', containerPort: 80 },
        { name: 'http', containerPort: 81 },
      ],
    },
    want: [`${C}.ports[1].name: Duplicate value: "http"`],
  },
  {
    name: 'one host port twice',
    container: {
      ports: [
        { containerPort: 80, hostPort: 80 },
        { containerPort: 81, hostPort: 80 },
      ],
    },
    want: [`${C}.ports[1].hostPort: Duplicate value: "TCP//80"`],
  },
  {
    name: 'another host port on the host network',
    spec: { hostNetwork: true },
    container: { ports: [{ containerPort: 80, hostPort: 81 }] },
    want: [`${C}.ports[0].containerPort: Invalid value: 80: must match \`hostPort\` when \`hostNetwork\` is true`],
  },
])

table('environment', [
  { name: 'no name', container: { env: [{ name: '', value: 'x' }] }, want: [`${C}.env[0].name: Required value`] },
  {
    name: 'a value and a source',
    container: { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
    want: [`${C}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`],
  },
  {
    name: 'a source that says nothing',
    container: { env: [{ name: 'A', valueFrom: {} }] },
    want: [
      `${C}.env[0].valueFrom: Invalid value: "": must specify one of: \`fieldRef\`, \`resourceFieldRef\`, \`configMapKeyRef\`, \`secretKeyRef\` or \`fileKeyRef\``,
    ],
  },
  {
    name: 'a field that environments do not get',
    container: { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } }] },
    want: [
      `${C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"`,
    ],
  },
  {
    name: 'a field that no pod has',
    container: { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.age' } } }] },
    want: [
      `${C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.age": error converting fieldPath: field label not supported: metadata.age`,
    ],
  },
  {
    name: 'one label',
    container: { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }] },
    want: [],
  },
  {
    name: 'no key',
    container: { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'm', key: '' } } }] },
    want: [`${C}.env[0].valueFrom.configMapKeyRef.key: Required value`],
  },
  {
    name: 'a divisor that divides nothing evenly',
    container: { env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }] },
    want: [
      `${C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "2": only divisor's values 1m and 1 are supported with the cpu resource`,
    ],
  },
  {
    name: 'envFrom without a source',
    container: { envFrom: [{}] },
    want: [`${C}.envFrom[0]: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``],
  },
])

// Paths that leave their volume: CVE-2017-1002101, CVE-2021-25741 and their kin.
table('paths stay inside their volume', [
  {
    name: 'an absolute subPath',
    spec: { volumes: [{ name: 'v' }] },
    container: { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: '/etc' }] },
    want: [`${C}.volumeMounts[0].subPath: Invalid value: "/etc": must be a relative path`],
  },
  {
    name: 'a subPath that goes up',
    spec: { volumes: [{ name: 'v' }] },
    container: { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a/../../b' }] },
    want: [`${C}.volumeMounts[0].subPath: Invalid value: "a/../../b": must not contain '..'`],
  },
  {
    name: 'a subPathExpr that goes up',
    spec: { volumes: [{ name: 'v' }] },
    container: { volumeMounts: [{ name: 'v', mountPath: '/v', subPathExpr: '$(A)/..' }] },
    want: [`${C}.volumeMounts[0].subPathExpr: Invalid value: "$(A)/..": must not contain '..'`],
  },
  {
    name: 'an item that goes up',
    spec: { volumes: [{ name: 'v', configMap: { name: 'c', items: [{ key: 'k', path: '../k' }] } }] },
    want: [`spec.volumes[0].configMap.items[0].path: Invalid value: "../k": must not contain '..'`],
  },
  {
    name: "an item in the agent's own names",
    spec: { volumes: [{ name: 'v', secret: { secretName: 'c', items: [{ key: 'k', path: '..data' }] } }] },
    want: [`spec.volumes[0].secret.items[0].path: Invalid value: "..data": must not start with '..'`],
  },
  {
    name: 'a hostPath that goes up',
    spec: { volumes: [{ name: 'v', hostPath: { path: '/tmp/../etc' } }] },
    want: [`spec.volumes[0].hostPath.path: Invalid value: "/tmp/../etc": must not contain '..'`],
  },
  {
    name: 'a projected token that goes up',
    spec: { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: '../token' } }] } }] },
    want: [
      `spec.volumes[0].projected.sources[0].serviceAccountToken.path: Invalid value: "../token": must not contain '..'`,
    ],
  },
  {
    name: 'gitRepo, which ran the hooks of what it fetched (CVE-2024-10220)',
    spec: { volumes: [{ name: 'v', gitRepo: { repository: 'x' } }] },
    want: [
      'spec.volumes[0].gitRepo: Forbidden: gitRepo volumes run commands of the repository on the node and are disabled',
    ],
  },
])

table('volumes and mounts', [
  {
    name: 'two sources',
    spec: { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/tmp' } }] },
    want: ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  },
  {
    name: 'one name twice',
    spec: { volumes: [{ name: 'v' }, { name: 'v' }] },
    want: ['spec.volumes[1].name: Duplicate value: "v"'],
  },
  {
    name: 'a mount of nothing',
    container: { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
    want: [`${C}.volumeMounts[0].name: Not found: "v"`],
  },
  {
    name: 'two mounts in one place',
    spec: { volumes: [{ name: 'v' }, { name: 'w' }] },
    container: {
      volumeMounts: [
        { name: 'v', mountPath: '/v' },
        { name: 'w', mountPath: '/v' },
      ],
    },
    want: [`${C}.volumeMounts[1].mountPath: Invalid value: "/v": must be unique`],
  },
  {
    name: 'a mode beyond 0777',
    spec: { volumes: [{ name: 'v', configMap: { name: 'c', defaultMode: 512 } }] },
    want: [
      'spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
    ],
  },
  {
    name: 'two sources of one file',
    spec: {
      volumes: [
        {
          name: 'v',
          projected: {
            sources: [
              { configMap: { name: 'c', items: [{ key: 'a', path: 'f' }] } },
              { secret: { name: 's', items: [{ key: 'b', path: 'f' }] } },
            ],
          },
        },
      ],
    },
    want: ['spec.volumes[0].projected: Invalid value: "f": conflicting duplicate paths'],
  },
])

table('probes and hooks', [
  {
    name: 'no handler',
    container: { livenessProbe: {} },
    want: [`${C}.livenessProbe: Required value: must specify a handler type`],
  },
  {
    name: 'two handlers',
    container: { livenessProbe: { exec: { command: ['true'] }, tcpSocket: { port: 1 } } },
    want: [`${C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`],
  },
  {
    name: 'liveness needs one success',
    container: { livenessProbe: { exec: { command: ['true'] }, successThreshold: 2 } },
    want: [`${C}.livenessProbe.successThreshold: Invalid value: 2: must be 1`],
  },
  {
    name: 'a negative delay',
    container: { readinessProbe: { exec: { command: ['true'] }, initialDelaySeconds: -1 } },
    want: [`${C}.readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0`],
  },
  {
    name: 'no command',
    container: { lifecycle: { postStart: { exec: {} } } },
    want: [`${C}.lifecycle.postStart.exec.command: Required value`],
  },
  {
    name: 'a sleep longer than the grace period',
    spec: { terminationGracePeriodSeconds: 5 },
    container: { lifecycle: { preStop: { sleep: { seconds: 6 } } } },
    want: [
      `${C}.lifecycle.preStop.sleep: Invalid value: 6: must be non-negative and less than terminationGracePeriodSeconds (5)`,
    ],
  },
])

table('resources', [
  {
    name: 'more asked than allowed',
    container: { resources: { requests: { cpu: '200m' }, limits: { cpu: '100m' } } },
    want: [`${C}.resources.requests: Invalid value: "200m": must be less than or equal to cpu limit of 100m`],
  },
  {
    name: 'less than nothing',
    container: { resources: { limits: { memory: '-1' } } },
    want: [
      `${C}.resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0`,
      `${C}.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0`,
    ],
  },
  {
    name: 'a name that is no resource',
    container: { resources: { requests: { cpus: '1' }, limits: { cpus: '1' } } },
    want: ['limits', 'requests'].flatMap((list) => [
      `${C}.resources.${list}: Invalid value: "cpus": must be a standard resource type or fully qualified`,
      `${C}.resources.${list}: Invalid value: "cpus": must be a standard resource for containers`,
    ]),
  },
  {
    name: 'part of an extended resource',
    container: { resources: { limits: { 'example.com/gpu': '500m' } } },
    want: ['limits', 'requests'].map(
      (list) => `${C}.resources.${list}[example.com/gpu]: Invalid value: "500m": must be an integer`,
    ),
  },
])

table('scheduling', [
  {
    name: 'a toleration of everything has to say so',
    spec: { tolerations: [{ effect: 'NoExecute', value: 'x' }] },
    want: [
      'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
  },
  {
    name: 'seconds count only for NoExecute',
    spec: { tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 1 }] },
    want: [
      'spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set',
    ],
  },
  {
    name: 'an affinity without terms',
    spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } },
    want: [
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
    ],
  },
  {
    name: 'a weight beyond 100 and no topology key',
    spec: {
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, podAffinityTerm: { topologyKey: '' } }],
        },
      },
    },
    want: [
      'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100',
      'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Required value: can not be empty',
    ],
  },
  {
    name: 'an operator without values',
    spec: {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Gt', values: [] }] }],
          },
        },
      },
    },
    want: [
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
    ],
  },
  {
    name: 'a spread without skew, twice',
    spec: {
      topologySpreadConstraints: [0, 1].map((maxSkew) => ({
        maxSkew,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
      })),
    },
    want: [
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[1].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"',
    ],
  },
  {
    name: 'a gate and a node',
    spec: { nodeName: 'n', schedulingGates: [{ name: 'example.com/a' }] },
    want: ['spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared'],
  },
])

table('the rest of the spec', [
  {
    name: 'a restart policy that is none',
    spec: { restartPolicy: 'Maybe' },
    want: ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "Never", "OnFailure"'],
  },
  {
    name: 'a deadline of nothing',
    spec: { activeDeadlineSeconds: 0 },
    want: ['spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive'],
  },
  {
    name: 'no nameserver where there has to be one',
    spec: { dnsPolicy: 'None' },
    want: ['spec.dnsConfig: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None'],
  },
  {
    name: 'an alias of no address',
    spec: { hostAliases: [{ ip: 'here', hostnames: ['a.b'] }] },
    want: [
      'spec.hostAliases[0].ip: Invalid value: "here": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
  },
  {
    name: 'a user below zero',
    spec: { securityContext: { runAsUser: -1 } },
    want: ['spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive'],
  },
  {
    name: 'privileged without escalation',
    container: { securityContext: { privileged: true, allowPrivilegeEscalation: false } },
    want: [
      `${C}.securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set \`allowPrivilegeEscalation\` to false and \`privileged\` to true`,
    ],
  },
])
