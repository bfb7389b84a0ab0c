export interface Bar {
  readonly label: string
  readonly value: number
  /** Drawn in the colour that stands out. */
  readonly isOurs?: boolean
}

export interface BarGroup {
  readonly label: string
  readonly bars: readonly Bar[]
}

export interface BarChart {
  readonly title: string
  /** What the bars are, and whether more or less is better. */
  readonly subtitle: string
  /** What and when it was measured on. */
  readonly source?: string
  readonly groups: readonly BarGroup[]
  /** Each group has its own scale, so that figures of different magnitude can stand together. Default: one for all. */
  readonly isScaledByGroup?: boolean
}

const WIDTH = 800
const LEFT = 260
const RIGHT = 90
const BAR = 15
const STEP = 20
const GROUP_HEAD = 30
const GROUP_GAP = 12
const TOP = 66
const SOURCE = 26

const STYLE = `text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}
.back{fill:#ffffff}.title{font-size:18px;font-weight:600}.muted{fill:#59636e;font-size:12px}
.group{font-size:13px;font-weight:600}.label{font-size:12px;text-anchor:end}.value{font-size:12px}
.ours{font-weight:600}.bar{fill:#9aa4b2}.bar-ours{fill:#1a73d9}.rule{stroke:#d1d9e0}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.back{fill:#0d1117}.muted{fill:#9198a1}.bar{fill:#5b6674}
.bar-ours{fill:#58a6ff}.rule{stroke:#3d444d}}`

/** Bars that lie on their side, group under group, as an SVG that reads in light and dark. */
export function barChart({ title, subtitle, source, groups, isScaledByGroup = false }: BarChart): string {
  const most = (of: readonly BarGroup[]): number =>
    Math.max(0, ...of.flatMap(({ bars }) => bars.map(({ value }) => value)).filter(Number.isFinite))
  const parts: string[] = []
  let y = TOP
  for (const group of groups) {
    const scale = most(isScaledByGroup ? [group] : groups)
    parts.push(
      `<line class="rule" x1="20" x2="${WIDTH - 20}" y1="${y}" y2="${y}"/>`,
      `<text class="group" x="20" y="${y + 20}">${escapeXml(group.label)}</text>`,
    )
    y += GROUP_HEAD
    for (const { label, value, isOurs = false } of group.bars) {
      const isKnown = Number.isFinite(value)
      const width = isKnown && scale > 0 ? Math.max(1, ((WIDTH - LEFT - RIGHT) * Math.max(0, value)) / scale) : 0
      const ours = isOurs ? ' ours' : ''
      parts.push(
        `<text class="label${ours}" x="${LEFT - 8}" y="${y + 12}">${escapeXml(label)}</text>`,
        `<rect class="${isOurs ? 'bar-ours' : 'bar'}" x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
        `<text class="value${ours}" x="${(LEFT + width + 6).toFixed(1)}" y="${y + 12}">${isKnown ? figure(value) : 'unknown'}</text>`,
      )
      y += STEP
    }
    y += GROUP_GAP
  }
  const height = y + (source === undefined ? 0 : SOURCE)
  if (source !== undefined) parts.push(`<text class="muted" x="20" y="${y + 10}">${escapeXml(source)}</text>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(title)}">
<style>${STYLE}</style>
<rect class="back" width="${WIDTH}" height="${height}"/>
<text class="title" x="20" y="32">${escapeXml(title)}</text>
<text class="muted" x="20" y="52">${escapeXml(subtitle)}</text>
${parts.join('\n')}
</svg>
`
}

/** Three digits are what such figures are good for; none is cut off before the point. */
function figure(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character]!)
}
