/**
 * Whose turn it is by weight: nginx's smooth weighted round robin (2012). Each choice adds every weight to its owner's
 * credit, takes the owner with the most, and takes the sum of the weights off its credit. With constant integer
 * weights each run of as many choices as their sum holds every owner exactly as often as its weight, and spread as
 * evenly as can be: 5, 1, 1 gives a a b a c a a. Weights may change between choices. One pass, nothing allocated.
 */
export class SmoothTurns<E extends object> {
  #members: readonly E[] = []
  #credit = new Float64Array(0)
  /** Set by the caller, one per member, before `next`. */
  weights = new Float64Array(0)

  /**
   * Makes room for `members`; those that were there before keep their credit, so that a change of one endpoint does
   * not begin the round anew. Returns whether they are other than before.
   */
  seat(members: readonly E[]): boolean {
    if (members === this.#members) return false
    const old = new Map(this.#members.map((member, i) => [member, this.#credit[i]!]))
    this.#credit = Float64Array.from(members, (member) => old.get(member) ?? 0)
    this.weights = new Float64Array(members.length)
    this.#members = members
    return true
  }

  /** Index of the member whose turn it is; -1 without members. */
  next(): number {
    const credit = this.#credit
    const weights = this.weights
    let total = 0
    let best = -1
    let most = Number.NEGATIVE_INFINITY
    for (let i = 0; i < credit.length; i++) {
      const weight = weights[i]!
      const mine = credit[i]! + weight
      credit[i] = mine
      total += weight
      if (mine > most) {
        most = mine
        best = i
      }
    }
    if (best >= 0) credit[best] = most - total
    return best
  }
}
