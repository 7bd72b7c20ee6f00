/** A stretch of time that is looked at more closely: it stands in the address, so that going back undoes it. Pure. */
import type { HistoryTier } from '../api/generated'
import { clock, day, span } from '../format/time'

/** From and to in milliseconds since 1970. */
export interface Stretch {
  from: number
  to: number
}

const SECOND = 1000
const DAY = 86_400_000
/** A minute's worth of seconds is as near as anybody looks. */
export const LEAST = 60 * SECOND
/** Nothing is kept for longer. */
export const MOST = 730 * DAY
/** A stretch that ends as near to now, as a part of it, goes along with now. */
const NEAR = 0.02

const whole = (at: number) => Math.round(at / SECOND) * SECOND
const iso = (at: number) => new Date(at).toISOString().replace('.000Z', 'Z')

/** As it stands in the address: an interval of ISO 8601. */
export const zoomText = ({ from, to }: Stretch): string => `${iso(whole(from))}/${iso(whole(to))}`

/** What the address asks for; nothing where it is none, or none that can be looked at. */
export function zoomOf(text: string | null): Stretch | null {
  const [from, to, more] = (text ?? '').split('/').map((part) => Date.parse(part))
  if (from === undefined || to === undefined || more !== undefined || !(to - from >= LEAST && to - from <= MOST)) return null
  return { from, to }
}

/** `long` around the middle, or up to the end where that is now; never beyond now, never shorter or longer than may be. */
function around({ from, to }: Stretch, long: number, now: number): Stretch {
  const length = Math.min(MOST, Math.max(LEAST, long))
  const isLive = now - to <= (to - from) * NEAR
  const end = Math.min(now, isLive ? to : (from + to) / 2 + length / 2)
  return { from: end - length, to: end }
}

export const nearer = (at: Stretch, now: number): Stretch => around(at, (at.to - at.from) / 4, now)
export const farther = (at: Stretch, now: number): Stretch => around(at, (at.to - at.from) * 4, now)

/** Half of it earlier or later, not beyond now. */
export function moved({ from, to }: Stretch, by: -1 | 1, now: number): Stretch {
  const shift = Math.min(now - to, (by * (to - from)) / 2)
  return { from: from + shift, to: to + shift }
}

/** What was pointed out, at least as long as may be. */
export function chosen(a: number, b: number, now: number): Stretch {
  const [from, to] = a < b ? [a, b] : [b, a]
  return to - from >= LEAST ? { from, to: Math.min(to, now) } : around({ from, to }, LEAST, now)
}

/** `2026-11-26 15:04:00 to 15:05:00`, as exact as it is long. */
export function told({ from, to }: Stretch): string {
  const [a, b] = [new Date(from), new Date(to)]
  if (to - from > 14 * DAY) return `${day(a)} to ${day(b)}`
  const time = (at: Date) => (to - from > DAY / 12 ? clock(at).slice(0, 5) : clock(at))
  return `${day(a)} ${time(a)} to ${day(a) === day(b) ? '' : `${day(b)} `}${time(b)}`
}

/** How fine a point at an instant can be: what is kept of that time, and never finer than asked. */
export function stepAt(tiers: readonly HistoryTier[], stepMs: number): (at: number) => number {
  const known = tiers.map((tier) => ({ from: Date.parse(tier.from), step: Math.max(stepMs, tier.step_ms) }))
  return (at) => known.find((tier) => at >= tier.from)?.step ?? stepMs
}

/** What a point is and where it lies: `1 s, from the node itself`, with the newest first where there is more than one. */
export function pointOf(tiers: readonly HistoryTier[], stepMs: number): string {
  const runs: { text: string; from: string }[] = []
  for (const tier of tiers) {
    const text = `${span(Math.max(stepMs, tier.step_ms) / 1000)}${tier.on_node ? ', from the node itself' : ''}`
    const last = runs.at(-1)
    if (last?.text === text) last.from = tier.from
    else runs.push({ text, from: tier.from })
  }
  const [newest, before] = runs
  if (!newest) return span(stepMs / 1000)
  if (!before) return newest.text
  const more = runs.length > 2 ? ' and coarser' : ''
  return `${newest.text}, since ${told({ from: Date.parse(newest.from), to: Date.parse(newest.from) }).split(' to ')[0]}, and ${before.text}${more} before`
}
