/** Where a number leads, in the server's words, with what it leans on. Pure. */
import type { Trend } from '../api/generated'
import { bytes, rate } from '../format/number'

/** How much a warning is worth being looked at. */
export type Tone = 'plain' | 'warn' | 'bad'

/** A bound that is reached, or will be as far as anybody can say. */
export function toneOf(trend: Trend): Tone {
  const near = trend.projections.filter((one) => one.answer === 'within' || one.answer === 'reached')
  if (near.some((one) => one.level === 'critical')) return 'bad'
  return near.some((one) => one.level === 'warning') ? 'warn' : 'plain'
}

/** As many decimals as tell it from nothing. */
const decimal = (value: number) => (Math.abs(value) >= 0.1 ? value.toFixed(1) : value.toFixed(2))

function amount(unit: string, value: number): string {
  if (unit === 'percent') return `${decimal(value)}\u00a0points`
  if (unit === 'bytes') return bytes(value)
  return unit === 'bytes_per_second' ? rate(value) : decimal(value)
}

/** `between 0.6 and 1.1 points a day, from 5.2 days`; null where nothing could be said. */
export function leansOn(trend: Trend, unit: string): string | null {
  const slope = trend.slope
  if (!slope) return null
  const signed = (value: number) => `${value < 0 ? '−' : '+'}${amount(unit, Math.abs(value))}`
  const days = slope.span_ms / 86_400_000
  const span = days >= 2 ? `${days.toFixed(days < 10 ? 1 : 0)} days` : `${(days * 24).toFixed(0)} hours`
  const left = slope.jumps.length > 0 ? `; ${slope.jumps.length} sudden ${slope.jumps.length === 1 ? 'change' : 'changes'} left out` : ''
  return `${signed(slope.low)} to ${signed(slope.high)} a day, from ${span}${left}`
}

/** Numbers stay with their units where a sentence breaks. */
export function unbroken(sentence: string): string {
  return sentence.replace(/(\d) (?=%|[KMGT]?i?B\b|points?\b|days?\b|weeks?\b|hours?\b|months?\b)/g, '$1\u00a0')
}
