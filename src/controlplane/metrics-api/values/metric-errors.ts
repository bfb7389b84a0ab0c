import { StatusError } from '../../../api/status-error.ts'

// In the words of the adapters people know, which autoscalers show in their conditions.

function notFound(message: string): StatusError {
  return new StatusError('NotFound', message)
}

export function metricNotFound(resource: string, metric: string): StatusError {
  return notFound(`the server could not find the metric ${metric} for ${resource}`)
}

export function metricNotFoundFor(resource: string, metric: string, name: string, selector: string): StatusError {
  const chosen = selector === '' ? '' : ` with selector ${selector}`
  return notFound(`the server could not find the metric ${metric} for ${resource} ${name}${chosen}`)
}
