import { readFileSync } from 'node:fs'

export interface DashboardQuery {
  readonly panel: string
  readonly expression: string
}

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

/** What Grafana puts into the expressions of examples/grafana-dashboard.json when everything is chosen. */
const VARIABLES: Readonly<Record<string, string>> = {
  $__rate_interval: '40s',
  $namespace: '.*',
  $service: '.*',
}

/** Every expression of the dashboard as Grafana would send it. */
export function dashboardQueries(file: string): readonly DashboardQuery[] {
  const { panels } = JSON.parse(readFileSync(file, 'utf8')) as { readonly panels: readonly Panel[] }
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      panel: title,
      expression: Object.entries(VARIABLES).reduce((text, [name, value]) => text.replaceAll(name, value), expr),
    })),
  )
}
