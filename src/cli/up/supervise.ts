import { identifyProcess, type ProcessIdentity } from '../../base/process-identity.ts'
import { type FromChild, type ProcessConfig, ROLES, type Role } from '../processes/protocol.ts'
import { UserError } from '../user-error.ts'
import { removeRunState, writeRunState } from './run-state.ts'
import { phaseText, readyText } from './screen.ts'
import { SupervisedChild } from './supervised-child.ts'

/** How long each part may take to end at Ctrl-C before it is killed. The agent ends the containers first. */
const STOP_MS: Readonly<Record<Role, number>> = { agent: 5_000, proxy: 1_000, 'control-plane': 3_000 }
const STOP_ORDER: readonly Role[] = ['agent', 'proxy', 'control-plane']

/**
 * Runs the three parts until a signal asks to stop. The agent and the proxy load their code while the control plane
 * starts and get their work once the API answers. A part that fails before the cluster was ever ready ends the start;
 * later it is started again.
 */
export async function supervise(config: ProcessConfig): Promise<void> {
  const identities: Partial<Record<Role, ProcessIdentity>> = {}
  const ready = new Set<Role>()
  let everReady = false
  const startedAt = new Date().toISOString()
  const finished = Promise.withResolvers<void>()
  const self = identifyProcess(process.pid)
  if (self === undefined) throw new UserError('/proc is not mounted: wherry runs on Linux only')

  const save = (): void =>
    writeRunState(config.dataDir, {
      supervisor: self,
      children: identities,
      apiPort: config.apiPort,
      kubeconfig: config.kubeconfig,
      ready: ready.size === ROLES.length,
      startedAt,
    })

  const onMessage = (role: Role, message: FromChild): void => {
    if (message.type === 'phase') {
      if (!everReady) process.stdout.write(phaseText(message.name, message.ms))
    } else if (message.type === 'fatal') {
      if (!everReady) finished.reject(new UserError(message.message, message.hint))
    } else {
      ready.add(role)
      if (role === 'control-plane')
        for (const other of ['agent', 'proxy'] as const) if (!ready.has(other)) children[other].configure(config)
      if (ready.size === ROLES.length && !everReady) {
        everReady = true
        process.stdout.write(readyText(config.layout, config.apiPort, config.kubeconfig, performance.now()))
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
  const children: Readonly<Record<Role, SupervisedChild>> = {
    'control-plane': new SupervisedChild('control-plane', config.dataDir, handlers),
    agent: new SupervisedChild('agent', config.dataDir, handlers),
    proxy: new SupervisedChild('proxy', config.dataDir, handlers),
  }

  const onSignal = (): void => {
    process.stdout.write('Stopping: containers, proxy, control plane.\n')
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

  children['control-plane'].configure(config)
  for (const role of ROLES) children[role].start()
  try {
    await finished.promise
  } finally {
    // Nothing that dies while the others are being stopped comes back.
    for (const role of ROLES) children[role].retire()
    for (const role of STOP_ORDER) await children[role].stop(STOP_MS[role])
    removeRunState(config.dataDir)
  }
  process.stdout.write('Stopped.\n')
}
