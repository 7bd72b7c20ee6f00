/** What the events page shows: a filter that lives in the URL, asks the API, and judges live events alike. */
import type { Event } from '../api/generated'

export const SINCE = { '15m': 900, '1h': 3600, '24h': 86_400, '7d': 604_800, '30d': 2_592_000 } as const
export type Since = keyof typeof SINCE

export interface EventFilter {
  q: string
  node: string
  subject: string
  kind: string
  severity: string
  since: Since | ''
}

export const EMPTY: EventFilter = { q: '', node: '', subject: '', kind: '', severity: '', since: '' }

const SEVERITIES = ['info', 'warning', 'critical']

export function fromUrl(params: URLSearchParams): EventFilter {
  const severity = params.get('severity') ?? ''
  const since = params.get('since') ?? ''
  return {
    q: params.get('q') ?? '',
    node: params.get('node') ?? '',
    subject: params.get('subject') ?? '',
    kind: params.get('kind') ?? '',
    severity: SEVERITIES.includes(severity) ? severity : '',
    since: Object.hasOwn(SINCE, since) ? (since as Since) : '',
  }
}

/** Only what is set; the same filter always gives the same text. */
export function toUrl(filter: EventFilter): Record<string, string> {
  return Object.fromEntries(
    (Object.keys(EMPTY) as (keyof EventFilter)[]).map((key) => [key, filter[key].trim()]).filter(([, value]) => value !== ''),
  )
}

export function isEmpty(filter: EventFilter): boolean {
  return Object.keys(toUrl(filter)).length === 0
}

/** The API's parameters. `now` fixes what "the last hour" means. */
export function toQuery(filter: EventFilter, now: Date): Record<string, string> {
  const { since, ...rest } = filter
  const query = toUrl({ ...rest, since: '' })
  if (since) query.since = new Date(now.getTime() - SINCE[since] * 1000).toISOString()
  return query
}

/** Whether a live event belongs on the page: the same answer the API would give. */
export function matches(filter: EventFilter, event: Event, now: Date): boolean {
  if (filter.node && event.node !== filter.node) return false
  if (filter.subject && event.subject !== filter.subject) return false
  if (filter.kind && event.kind !== filter.kind) return false
  if (filter.severity && SEVERITIES.indexOf(event.severity) < SEVERITIES.indexOf(filter.severity)) return false
  if (filter.since && new Date(event.at).getTime() < now.getTime() - SINCE[filter.since] * 1000) return false
  const q = filter.q.trim().toLowerCase()
  if (!q) return true
  return [event.kind, event.subject, event.text, JSON.stringify(event.data)].some((text) => text?.toLowerCase().includes(q))
}
