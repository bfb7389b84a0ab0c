import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultPullPolicy } from '../../../../src/api/definitions/pod/container-defaults.ts'
import { POD } from '../../../../src/api/definitions/pod/definition.ts'
import { podManifest } from './pod-fixture.ts'
import { create, created } from './strategies.ts'

test('a bare pod comes out complete', () => {
  const { spec, status, metadata } = created(POD, podManifest())
  assert.deepEqual(spec, {
    containers: [
      {
        name: 'web',
        image: 'node:24',
        resources: {},
        imagePullPolicy: 'IfNotPresent',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    terminationGracePeriodSeconds: 30,
    securityContext: {},
    enableServiceLinks: true,
    serviceAccountName: 'default',
    serviceAccount: 'default',
    tolerations: [
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ],
    priority: 0,
    preemptionPolicy: 'PreemptLowerPriority',
  })
  assert.deepEqual(status, { phase: 'Pending', qosClass: 'BestEffort' })
  assert.equal(metadata?.generation, 1)
})

describe('pull policy by tag', () => {
  for (const { given, want } of [
    { given: 'node', want: 'Always' },
    { given: 'node:latest', want: 'Always' },
    { given: 'node:24', want: 'IfNotPresent' },
    { given: 'registry:5000/node', want: 'Always' },
    { given: 'registry:5000/node:24', want: 'IfNotPresent' },
    { given: 'node@sha256:00', want: 'IfNotPresent' },
    { given: 'node:latest@sha256:00', want: 'IfNotPresent' },
  ])
    test(given, () => assert.equal(defaultPullPolicy(given), want))
})

test('probes and hooks are filled in', () => {
  const pod = created(
    POD,
    podManifest(
      {},
      {
        livenessProbe: { httpGet: { port: 80 } },
        readinessProbe: { grpc: { port: 81 }, periodSeconds: 1 },
        lifecycle: { preStop: { httpGet: { port: 'http' } } },
        ports: [{ name: 'http', containerPort: 80 }],
      },
    ),
  )
  const [container] = pod.spec!.containers
  assert.deepEqual(container!.livenessProbe, {
    httpGet: { port: 80, path: '/', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  })
  assert.equal(container!.readinessProbe!.periodSeconds, 1)
  assert.deepEqual(container!.readinessProbe!.grpc, { port: 81, service: '' })
  assert.deepEqual(container!.lifecycle!.preStop!.httpGet, { port: 'http', path: '/', scheme: 'HTTP' })
  assert.deepEqual(container!.ports, [{ name: 'http', containerPort: 80, protocol: 'TCP' }])
})

test('volumes are filled in; one without a source is an emptyDir', () => {
  const pod = created(
    POD,
    podManifest({
      volumes: [
        { name: 'a' },
        { name: 'b', configMap: { name: 'c' } },
        { name: 'c', hostPath: { path: '/tmp' } },
        { name: 'd', secret: { secretName: 's', defaultMode: 0o400 } },
        { name: 'e', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
        { name: 'f', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      ],
    }),
  )
  assert.deepEqual(pod.spec!.volumes, [
    { name: 'a', emptyDir: {} },
    { name: 'b', configMap: { name: 'c', defaultMode: 420 } },
    { name: 'c', hostPath: { path: '/tmp', type: '' } },
    { name: 'd', secret: { secretName: 's', defaultMode: 0o400 } },
    {
      name: 'e',
      projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }] },
    },
    {
      name: 'f',
      downwardAPI: {
        defaultMode: 420,
        items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels', apiVersion: 'v1' } }],
      },
    },
  ])
})

test('limits are requests where none are given', () => {
  const pod = created(
    POD,
    podManifest({}, { resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } } }),
  )
  assert.deepEqual(pod.spec!.containers[0]!.resources!.requests, { cpu: '500m', memory: '1Gi' })
  assert.equal(pod.status!.qosClass, 'Burstable')
})

test('on the host network container ports are host ports', () => {
  const pod = created(POD, podManifest({ hostNetwork: true }, { ports: [{ containerPort: 80 }] }))
  assert.equal(pod.spec!.containers[0]!.ports![0]!.hostPort, 80)
})

test('a pod that bears a taint already gets no second toleration', () => {
  const pod = created(POD, podManifest({ tolerations: [{ operator: 'Exists' }] }))
  assert.deepEqual(pod.spec!.tolerations, [{ operator: 'Exists' }])
})

test('the older name of the service account counts', () => {
  const pod = created(POD, podManifest({ serviceAccount: 'robot' }))
  assert.equal(pod.spec!.serviceAccountName, 'robot')
})

test('system priority classes have their numbers', () => {
  assert.equal(created(POD, podManifest({ priorityClassName: 'system-node-critical' })).spec!.priority, 2_000_001_000)
  assert.equal(created(POD, podManifest({ priority: 7 })).spec!.priority, 7)
})

test('gated pods say so from the start, and clients choose no status', () => {
  const { object } = create(POD, {
    ...podManifest({ schedulingGates: [{ name: 'example.com/wait' }] }),
    status: { phase: 'Running', podIP: '10.0.0.1' },
  })
  assert.equal(object.status!.phase, 'Pending')
  assert.equal(object.status!.podIP, undefined)
  assert.equal(object.status!.conditions![0]!.reason, 'SchedulingGated')
})
