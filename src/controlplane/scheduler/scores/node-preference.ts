import { normalize, type Score } from './score.ts'

/** More weight of preferred node affinity terms that the node meets is better. */
export const nodePreference: Score = {
  name: 'NodeAffinity',
  weight: 2,
  rate({ nodePreferences }, nodes, _state, into) {
    if (nodePreferences.length === 0) return false
    for (let i = 0; i < nodes.length; i++) {
      const { name, labels } = nodes[i]!
      let sum = 0
      for (const { match, weight } of nodePreferences) if (match(name, labels)) sum += weight
      into[i] = sum
    }
    normalize(into, false)
    return true
  },
}
