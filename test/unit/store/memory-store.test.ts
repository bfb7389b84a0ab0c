import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { storeContract } from './contract.ts'

storeContract('memory store', async () => createMemoryStore(), 300)
