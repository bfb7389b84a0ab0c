/** Annotations in which version 1 carries what its fields cannot say, as kube-apiserver names them. */
export const METRICS_ANNOTATION = 'autoscaling.alpha.kubernetes.io/metrics'
export const CURRENT_METRICS_ANNOTATION = 'autoscaling.alpha.kubernetes.io/current-metrics'
export const BEHAVIOR_ANNOTATION = 'autoscaling.alpha.kubernetes.io/behavior'
export const CONDITIONS_ANNOTATION = 'autoscaling.alpha.kubernetes.io/conditions'

export const SPEC_ANNOTATIONS: readonly string[] = [METRICS_ANNOTATION, BEHAVIOR_ANNOTATION]
export const STATUS_ANNOTATIONS: readonly string[] = [CURRENT_METRICS_ANNOTATION, CONDITIONS_ANNOTATION]
export const VERSION_ANNOTATIONS: readonly string[] = [...SPEC_ANNOTATIONS, ...STATUS_ANNOTATIONS]
