import { OutlierDetection } from '../../../../src/proxy/resilience/outlier-detection.ts'

/** Endpoints stay whatever they do: for tests about what is tried, not where. */
export const NO_EJECTIONS = new OutlierDetection({ consecutiveFailures: 0, deviations: 0 })
