/** One manifest of every kind that is served, with most of the fields that people write. */
export interface Manifest {
  /** Of the collection in the namespace `default`, or at the cluster scope. */
  readonly collection: string
  readonly object: Readonly<Record<string, unknown>> & {
    readonly metadata: { readonly name: string; readonly labels?: object; readonly annotations?: object }
  }
  /** Subresources that take the object, or a form of their own, by PUT or PATCH. */
  readonly views: readonly string[]
}

const labels = { app: 'web', 'app.kubernetes.io/part-of': 'shop' }
const probe = { httpGet: { path: '/live', port: 'http', scheme: 'HTTP' }, periodSeconds: 5, failureThreshold: 3 }

const podSpec = {
  serviceAccountName: 'default',
  terminationGracePeriodSeconds: 30,
  restartPolicy: 'Always',
  securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 2000, seccompProfile: { type: 'RuntimeDefault' } },
  initContainers: [
    { name: 'init', image: 'node', command: ['node', '-e', '0'] },
    { name: 'sidecar', image: 'node', command: ['node'], restartPolicy: 'Always' },
  ],
  containers: [
    {
      name: 'web',
      image: 'node:24',
      command: ['node', 'server.js'],
      args: ['--port', '$(PORT)'],
      ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
      env: [
        { name: 'PORT', value: '8080' },
        { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'db', key: 'password', optional: true } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      ],
      envFrom: [{ prefix: 'CFG_', configMapRef: { name: 'config', optional: true } }],
      resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', memory: '128Mi' } },
      livenessProbe: probe,
      readinessProbe: { tcpSocket: { port: 8080 }, initialDelaySeconds: 1 },
      startupProbe: { exec: { command: ['true'] } },
      lifecycle: { preStop: { sleep: { seconds: 5 } } },
      volumeMounts: [{ name: 'config', mountPath: '/etc/config', readOnly: true, subPath: 'a' }],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
  volumes: [
    { name: 'config', configMap: { name: 'config', defaultMode: 420, items: [{ key: 'a', path: 'a' }] } },
    { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
    { name: 'all', projected: { sources: [{ secret: { name: 'db' } }, { serviceAccountToken: { path: 'token' } }] } },
  ],
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'a', operator: 'Equal', value: 'b', effect: 'NoExecute', tolerationSeconds: 300 }],
  affinity: {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 100,
          podAffinityTerm: { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' },
        },
      ],
    },
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] }],
      },
    },
  },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: labels },
    },
  ],
}

const template = { metadata: { labels, annotations: { note: 'x' } }, spec: podSpec }

export const MANIFESTS: readonly Manifest[] = [
  {
    collection: '/api/v1/namespaces/default/configmaps',
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'config', labels, annotations: { note: 'first' } },
      data: { a: '1', 'b.properties': 'x=y\n' },
      binaryData: { c: 'AAEC' },
    },
    views: [],
  },
  {
    collection: '/api/v1/namespaces/default/secrets',
    object: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'db', labels },
      type: 'Opaque',
      data: { password: 'c2VjcmV0' },
      stringData: { user: 'admin' },
    },
    views: [],
  },
  {
    collection: '/api/v1/namespaces/default/pods',
    object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', labels }, spec: podSpec },
    views: ['status', 'binding', 'eviction', 'log'],
  },
  {
    collection: '/api/v1/namespaces/default/services',
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', labels },
      spec: {
        type: 'NodePort',
        selector: { app: 'web' },
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
        ports: [
          { name: 'http', port: 80, targetPort: 'http', protocol: 'TCP', appProtocol: 'http' },
          { name: 'dns', port: 53, targetPort: 5353, protocol: 'UDP' },
        ],
      },
    },
    views: ['status'],
  },
  {
    collection: '/api/v1/namespaces/default/endpoints',
    object: {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'outside' },
      subsets: [{ addresses: [{ ip: '10.1.2.3', hostname: 'a' }], ports: [{ name: 'http', port: 80 }] }],
    },
    views: [],
  },
  {
    collection: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    object: {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['10.1.2.4'],
          conditions: { ready: true, serving: true, terminating: false },
          nodeName: 'node-1',
          targetRef: { kind: 'Pod', name: 'web', namespace: 'default' },
        },
      ],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    },
    views: [],
  },
  {
    collection: '/api/v1/namespaces/default/events',
    object: {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'web.1' },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name: 'web', namespace: 'default' },
      type: 'Normal',
      reason: 'Started',
      message: 'Started container',
      source: { component: 'kubelet', host: 'node-1' },
      firstTimestamp: '2026-01-02T03:04:05Z',
      lastTimestamp: '2026-01-02T03:04:05Z',
      count: 1,
    },
    views: [],
  },
  {
    collection: '/apis/events.k8s.io/v1/namespaces/default/events',
    object: {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'web.2' },
      regarding: { apiVersion: 'v1', kind: 'Pod', name: 'web', namespace: 'default' },
      eventTime: '2026-01-02T03:04:05.123456Z',
      reportingController: 'example.com/controller',
      reportingInstance: 'controller-1',
      action: 'Starting',
      type: 'Warning',
      reason: 'Failed',
      note: 'It failed',
      series: { count: 2, lastObservedTime: '2026-01-02T03:05:05.123456Z' },
    },
    views: [],
  },
  {
    collection: '/api/v1/namespaces/default/serviceaccounts',
    object: {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'robot' },
      automountServiceAccountToken: false,
      imagePullSecrets: [{ name: 'pull' }],
    },
    views: ['token'],
  },
  {
    collection: '/api/v1/namespaces',
    object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team', labels: { team: 'a' } } },
    views: ['status', 'finalize'],
  },
  {
    collection: '/api/v1/nodes',
    object: {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node-1', labels: { 'kubernetes.io/hostname': 'node-1' } },
      spec: { podCIDR: '10.9.1.0/24', taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }], unschedulable: true },
      status: {
        capacity: { cpu: '4', memory: '8Gi', pods: '110' },
        conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-02T03:04:05Z' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      },
    },
    views: ['status'],
  },
  {
    collection: '/apis/apps/v1/namespaces/default/deployments',
    object: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', labels },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } },
        minReadySeconds: 1,
        revisionHistoryLimit: 5,
        progressDeadlineSeconds: 60,
        template,
      },
    },
    views: ['status', 'scale'],
  },
  {
    collection: '/apis/apps/v1/namespaces/default/replicasets',
    object: {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'web-1', labels },
      spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template },
    },
    views: ['status', 'scale'],
  },
  {
    collection: '/apis/policy/v1/namespaces/default/poddisruptionbudgets',
    object: {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'web' },
      spec: {
        minAvailable: '50%',
        selector: { matchLabels: { app: 'web' } },
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
      },
    },
    views: ['status'],
  },
  {
    collection: '/apis/coordination.k8s.io/v1/namespaces/default/leases',
    object: {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'leader' },
      spec: {
        holderIdentity: 'me',
        leaseDurationSeconds: 15,
        acquireTime: '2026-01-02T03:04:05.000000Z',
        renewTime: '2026-01-02T03:04:06.123456Z',
        leaseTransitions: 2,
      },
    },
    views: [],
  },
]

/** What is only ever posted. */
export const POSTED: readonly Manifest[] = [
  {
    collection: '/api/v1/namespaces/default/pods/web/binding',
    object: {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'web' },
      target: { apiVersion: 'v1', kind: 'Node', name: 'node-1' },
    },
    views: [],
  },
  {
    collection: '/api/v1/namespaces/default/pods/web/eviction',
    object: {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'web' },
      deleteOptions: { gracePeriodSeconds: 5, preconditions: { resourceVersion: '3' }, dryRun: [] },
    },
    views: [],
  },
  {
    collection: '/api/v1/namespaces/default/serviceaccounts/robot/token',
    object: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { name: 'robot' },
      spec: {
        audiences: ['a'],
        expirationSeconds: 3600,
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'web' },
      },
    },
    views: [],
  },
  {
    collection: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    object: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: { name: '' },
      spec: { user: 'a', groups: ['b'], resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'default' } },
    },
    views: [],
  },
  {
    collection: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    object: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      metadata: { name: '' },
      spec: { nonResourceAttributes: { path: '/healthz', verb: 'get' } },
    },
    views: [],
  },
  {
    collection: '/apis/authentication.k8s.io/v1/tokenreviews',
    object: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: { name: '' },
      spec: { token: 'x', audiences: ['a'] },
    },
    views: [],
  },
]
