import type { FieldError } from '../../field-error.ts'
import { forbidden, invalid, notSupported } from '../../field-error.ts'
import { labelMatcherOf } from '../../label-selector.ts'
import type { Draft } from '../../object.ts'
import { validateAnnotations, validateLabels } from '../../object-meta-validation.ts'
import type { PodTemplateSpec } from '../../types/core-v1.gen.ts'
import type { LabelSelector } from '../../types/meta-v1.gen.ts'
import { setPodSpecDefaults } from './defaults.ts'
import { validatePodSpec } from './spec-validation.ts'

export function setTemplateDefaults(template: Draft<PodTemplateSpec>): void {
  template.metadata ??= {}
  template.spec ??= { containers: [] }
  setPodSpecDefaults(template.spec)
}

/**
 * Findings on a template whose pods are to run for ever (Deployment, ReplicaSet): they match the selector, restart
 * always and have no deadline.
 */
export function validateServingTemplate(
  template: PodTemplateSpec,
  selector: LabelSelector | undefined,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  const labels = template.metadata?.labels
  if (!labelMatcherOf(selector).matches(labels))
    errors.push(invalid(`${path}.metadata.labels`, labels ?? {}, '`selector` does not match template `labels`'))
  errors.push(
    ...validateLabels(labels, `${path}.labels`),
    ...validateAnnotations(template.metadata?.annotations, `${path}.annotations`),
    ...validatePodSpec(template.spec!, `${path}.spec`),
  )
  const { restartPolicy, activeDeadlineSeconds, ephemeralContainers } = template.spec!
  if (restartPolicy !== 'Always') errors.push(notSupported(`${path}.spec.restartPolicy`, restartPolicy, ['Always']))
  if (activeDeadlineSeconds !== undefined)
    errors.push(forbidden(`${path}.spec.activeDeadlineSeconds`, 'activeDeadlineSeconds in ReplicaSet is not Supported'))
  if (ephemeralContainers?.length)
    errors.push(forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
  return errors
}
