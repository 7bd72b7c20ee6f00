/** What a score says beside its number. Pure. */
import type { ScoreDimension } from '../api/generated'

/** How much of a dimension is reached; unknown is neither good nor bad. */
export type Reach = 'all' | 'some' | 'few' | 'unknown'

export function reachOf(dimension: ScoreDimension): Reach {
  if (dimension.points == null) return 'unknown'
  if (dimension.lost <= 0) return 'all'
  return dimension.points * 3 > dimension.weight ? 'some' : 'few'
}

/** `15 of 20`, for who cannot see the bar. */
export function spoken(dimension: ScoreDimension): string {
  return dimension.points == null ? 'no data' : `${dimension.points} of ${dimension.weight} points`
}

const DATA: Record<string, string> = { cpu: '#cpu', memory: '#memory', llm: '#memory', disk: '#disk', maintenance: '#maintenance', services: '?tab=services' }

/** Where on the node's page the data of a dimension is. */
export const dataOf = (kind: string): string => DATA[kind] ?? ''

/** The part of this node's page that a fix names; null where it names another page. */
export function partOf(page: string, node: string): string | null {
  const [path = '', part] = page.split('#')
  return part && decodeURIComponent(path) === `/nodes/${node}` ? part : null
}
