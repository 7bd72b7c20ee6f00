/** A strip of health: spans as shares of the time shown, and how much of it was well. Pure. */
import type { HealthSpan } from '../../api/generated'
import { look, type Look } from '../../format/look'

export interface Piece {
  left: number
  width: number
  look: Look
  state: string
  from: string
  to: string
}

/** A running container without a health check is well as far as anybody can say; one that ended is not running, which is no health. */
export function lookOf(state: string): Look {
  if (state === 'running') return 'well'
  if (state === 'exited' || state === 'dead' || state === 'restarting') return 'bad'
  if (state === 'failing') return 'working'
  return look(state)
}

export function pieces(spans: readonly HealthSpan[]): Piece[] {
  const first = Date.parse(spans[0]?.from ?? '')
  const last = Date.parse(spans.at(-1)?.to ?? '')
  const whole = last - first
  if (!(whole > 0)) return []
  return spans.map((span) => {
    const from = Date.parse(span.from)
    return { left: ((from - first) / whole) * 100, width: ((Date.parse(span.to) - from) / whole) * 100, look: lookOf(span.state), state: span.state, from: span.from, to: span.to }
  })
}

/** `well 98 % of the known time`; null where nothing is known. */
export function share(spans: readonly HealthSpan[]): number | null {
  let known = 0
  let well = 0
  for (const span of spans) {
    const length = Date.parse(span.to) - Date.parse(span.from)
    const seen = lookOf(span.state)
    if (seen === 'unknown') continue
    known += length
    if (seen === 'well') well += length
  }
  return known > 0 ? (well / known) * 100 : null
}
