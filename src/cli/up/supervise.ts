import { identifyProcess, type ProcessIdentity } from '../../base/process-identity.ts'
import type { ClusterFacts, FromChild, ProcessConfig, Role } from '../processes/protocol.ts'
import { UserError } from '../user-error.ts'
import { removeRunState, writeRunState } from './run-state.ts'
import { phaseText, waitingText } from './screen.ts'
import { SupervisedChild } from './supervised-child.ts'

/** How long each part may take to end at Ctrl-C before it is killed. The agent ends the containers first. */
const STOP_MS: Readonly<Record<Role, number>> = { agent: 5_000, proxy: 1_000, 'control-plane': 3_000 }
const STOP_ORDER: readonly Role[] = ['agent', 'proxy', 'control-plane']

/** What a command runs, and what it says. */
export interface Supervision {
  readonly config: ProcessConfig
  /** In the order in which they are started. */
  readonly roles: readonly Role[]
  /** What is printed when all of them are ready for the first time; `ms` is how long that took. */
  readonly readyText: (ms: number, cluster: ClusterFacts | undefined) => string
  readonly stoppingText: string
}

/**
 * Runs the parts of a machine until a signal asks to stop. Beside a control plane, the agent and the proxy load their
 * code while it starts and get their work once the API answers. A part that fails before all were ever ready ends the
 * start; later it is started again.
 */
export async function supervise({ config, roles, readyText, stoppingText }: Supervision): Promise<void> {
  const identities: Partial<Record<Role, ProcessIdentity>> = {}
  const ready = new Set<Role>()
  let cluster: ClusterFacts | undefined
  let everReady = false
  const startedAt = new Date().toISOString()
  const finished = Promise.withResolvers<void>()
  const self = identifyProcess(process.pid)
  if (self === undefined) throw new UserError('/proc is not mounted: wherry runs on Linux only')

  const save = (): void =>
    writeRunState(config.dataDir, {
      supervisor: self,
      children: identities,
      apiPort: roles.includes('control-plane') ? config.apiPort : undefined,
      kubeconfig: config.kubeconfig,
      ready: ready.size === roles.length,
      startedAt,
    })

  const onMessage = (role: Role, message: FromChild): void => {
    if (message.type === 'phase') {
      if (!everReady) process.stdout.write(phaseText(message.name, message.ms))
    } else if (message.type === 'waiting') {
      process.stdout.write(waitingText(message.message, message.hint))
    } else if (message.type === 'fatal') {
      if (!everReady) finished.reject(new UserError(message.message, message.hint))
    } else {
      ready.add(role)
      if (message.cluster !== undefined) cluster = message.cluster
      if (role === 'control-plane')
        for (const [other, child] of children) if (!ready.has(other)) child.configure(config)
      if (ready.size === roles.length && !everReady) {
        everReady = true
        process.stdout.write(readyText(performance.now(), cluster))
      }
      save()
    }
  }
  const handlers = {
    onMessage,
    onStarted(role: Role, identity: ProcessIdentity | undefined): void {
      if (identity === undefined) delete identities[role]
      else identities[role] = identity
      save()
    },
    onDied(role: Role, how: string, restartMs: number): void {
      ready.delete(role)
      if (!everReady) {
        finished.reject(
          new UserError(`the ${role} ended during start-up (${how})`, `see ${config.dataDir}/logs/${role}.stderr.log`),
        )
        return
      }
      process.stdout.write(`The ${role} ended (${how}); starting it again in ${restartMs} ms.\n`)
      save()
    },
  }
  const children = new Map(roles.map((role) => [role, new SupervisedChild(role, config.dataDir, handlers)]))

  const onSignal = (): void => {
    process.stdout.write(stoppingText)
    finished.resolve()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.removeListener(signal, onSignal)
      // A second Ctrl-C does not wait any longer.
      process.on(signal, () =>
        Object.values(identities).forEach((identity) => void process.kill(identity.pid, 'SIGKILL')),
      )
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)

  for (const [role, child] of children)
    if (role === 'control-plane' || !children.has('control-plane')) child.configure(config)
  for (const child of children.values()) child.start()
  try {
    await finished.promise
  } finally {
    // Nothing that dies while the others are being stopped comes back.
    for (const child of children.values()) child.retire()
    for (const role of STOP_ORDER) await children.get(role)?.stop(STOP_MS[role])
    removeRunState(config.dataDir)
  }
  process.stdout.write('Stopped.\n')
}
