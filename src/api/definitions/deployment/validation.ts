import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import type { Deployment, DeploymentSpec } from '../../types/apps-v1.gen.ts'
import { immutableField } from '../immutable-field.ts'
import { nonNegative, nonNegativeIntOrPercent } from '../number-rules.ts'
import { validateServingTemplate } from '../pod/template.ts'
import { validateReplicaCounts } from '../replica-counts.ts'
import { validateOwnerSelector } from '../selector-rules.ts'

const TYPES = ['Recreate', 'RollingUpdate']

function isZero(value: number | string | undefined): boolean {
  return value === undefined || value === 0 || (typeof value === 'string' && /^0+%$/.test(value))
}

function validateStrategy({ strategy }: DeploymentSpec): readonly FieldError[] {
  const type = strategy?.type ?? ''
  const rolling = strategy?.rollingUpdate
  if (!TYPES.includes(type)) return [notSupported('spec.strategy.type', type, TYPES)]
  const path = 'spec.strategy.rollingUpdate'
  if (type === 'Recreate')
    return rolling === undefined ? [] : [forbidden(path, "may not be specified when strategy `type` is 'Recreate'")]
  if (rolling === undefined) return [required(path, 'this should be defaulted and never be nil')]
  const errors = [
    ...nonNegativeIntOrPercent(rolling.maxUnavailable, `${path}.maxUnavailable`, true),
    ...nonNegativeIntOrPercent(rolling.maxSurge, `${path}.maxSurge`, false),
  ]
  if (isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge))
    errors.push(invalid(`${path}.maxUnavailable`, rolling.maxUnavailable ?? 0, 'may not be 0 when `maxSurge` is 0'))
  return errors
}

export function validateDeployment(deployment: Deployment): readonly FieldError[] {
  const spec = deployment.spec!
  const errors = [
    ...nonNegative(spec.replicas, 'spec.replicas'),
    ...validateOwnerSelector(spec.selector, 'spec.selector'),
    ...validateServingTemplate(spec.template, spec.selector, 'spec.template'),
    ...validateStrategy(spec),
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...nonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...nonNegative(spec.progressDeadlineSeconds, 'spec.progressDeadlineSeconds'),
  ]
  const deadline = spec.progressDeadlineSeconds
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0))
    errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'))
  return errors
}

export function validateDeploymentUpdate(next: Deployment, previous: Deployment): readonly FieldError[] {
  return immutableField(next.spec?.selector, previous.spec?.selector, 'spec.selector')
}

export function validateDeploymentStatus(next: Deployment, previous: Deployment): readonly FieldError[] {
  const errors = [...validateReplicaCounts(next.status)]
  const [now, before] = [next.status?.collisionCount ?? 0, previous.status?.collisionCount ?? 0]
  if (now < before) errors.push(invalid('status.collisionCount', now, 'cannot be decremented'))
  return errors
}
