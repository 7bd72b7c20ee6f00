/** How far back a history is looked at: the choice that stands in the address. Pure. */
import type { Stretch } from './zoom'

const HOUR = 3_600_000
const DAY = 24 * HOUR

export interface Range {
  /** As it stands in the address; nothing is a day. */
  value: string
  text: string
  ms: number
  /** How often new points are worth a question, in milliseconds. */
  every: number
}

export const RANGES: readonly Range[] = [
  { value: '5m', text: '5 min', ms: HOUR / 12, every: 5_000 },
  { value: '1h', text: '1 h', ms: HOUR, every: 15_000 },
  { value: '', text: '24 h', ms: DAY, every: 60_000 },
  { value: '7d', text: '7 d', ms: 7 * DAY, every: 300_000 },
  { value: '30d', text: '30 d', ms: 30 * DAY, every: 900_000 },
  { value: '1y', text: '1 y', ms: 365 * DAY, every: 900_000 },
  { value: '2y', text: '2 y', ms: 730 * DAY, every: 900_000 },
]
const USUAL = RANGES[2]!

/** A shorter look back says nothing about where a number leads. */
const TREND_LEAST = 7 * DAY

/** What the address asks for; what it does not know is a day. */
export function rangeOf(text: string | null): Range {
  return RANGES.find((range) => range.value === text) ?? USUAL
}

/** What is asked of the trends: `7d`, at least. */
export function trendRange(range: Range): string {
  return `${Math.max(range.ms, TREND_LEAST) / DAY}d`
}

/** Between which instants: those that are looked at more closely, else a span before now, which the server's clock measures, or before the instant that is looked at. */
export function between(range: Range, at: string | null, zoom: Stretch | null = null): { from: string; to?: string } {
  if (zoom) return { from: new Date(zoom.from).toISOString(), to: new Date(zoom.to).toISOString() }
  const until = at === null ? Number.NaN : Date.parse(at)
  if (Number.isNaN(until)) return { from: range.ms < HOUR ? `${range.ms / 60_000}m` : `${range.ms / HOUR}h` }
  return { from: new Date(until - range.ms).toISOString(), to: new Date(until).toISOString() }
}
