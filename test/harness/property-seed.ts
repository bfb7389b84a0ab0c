/**
 * Loaded before every test file: properties draw the same inputs in every run, so that a change that is not to blame is
 * not blamed. `WHERRY_SEED=random npm test` draws others each time, `WHERRY_SEED=7 npm test` those of another seed.
 */
import fc from 'fast-check'

const asked = process.env.WHERRY_SEED ?? '1'
if (asked !== 'random') fc.configureGlobal({ seed: Number(asked) })
