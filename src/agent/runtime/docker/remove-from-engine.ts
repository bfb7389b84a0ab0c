import { type DockerEngine, WORK_MS } from './docker-engine.ts'
import { hasStatus } from './engine-error.ts'

/** Removes a container by id or name, running or not, and its anonymous volumes. What is gone already, or going, is fine. */
export async function removeFromEngine(engine: DockerEngine, container: string): Promise<void> {
  try {
    await engine.call({
      method: 'DELETE',
      path: `/containers/${container}`,
      query: { force: 1, v: 1 },
      timeoutMs: WORK_MS,
    })
  } catch (error) {
    if (!hasStatus(error, 404, 409)) throw error
  }
}
