/** Instants and spans as people read them. Pure: `now` is always an argument. */

const MINUTE = 60
const HOUR = 3600
const DAY = 86_400

export function parse(at: string | null | undefined): Date | null {
  if (!at) return null
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? null : date
}

/** A span in at most two units: `45 s`, `3 min`, `2 h 5 min`, `6 d 4 h`, `412 d`. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < MINUTE) return `${s} s`
  if (s < HOUR) return `${Math.floor(s / MINUTE)} min`
  if (s < DAY) return two(Math.floor(s / HOUR), 'h', Math.floor((s % HOUR) / MINUTE), 'min')
  const days = Math.floor(s / DAY)
  if (days < 14) return two(days, 'd', Math.floor((s % DAY) / HOUR), 'h')
  return `${days} d`
}

function two(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small > 0 ? `${big} ${bigUnit} ${small} ${smallUnit}` : `${big} ${bigUnit}`
}

/** `just now`, `12 s ago`, `3 min ago`, `2 h ago`, `yesterday`-free: always a number and one unit; `in 5 min` ahead. */
export function relative(at: Date, now: Date): string {
  const delta = (now.getTime() - at.getTime()) / 1000
  const ahead = delta < -2
  const s = Math.abs(delta)
  if (s < 3) return 'just now'
  const text = one(s)
  return ahead ? `in ${text}` : `${text} ago`
}

function one(s: number): string {
  if (s < MINUTE) return `${Math.floor(s)} s`
  if (s < HOUR) return `${Math.floor(s / MINUTE)} min`
  if (s < DAY) return `${Math.floor(s / HOUR)} h`
  return `${Math.floor(s / DAY)} d`
}

const pad = (n: number, width = 2) => String(n).padStart(width, '0')

/** The exact instant in the reader's own time zone, with the zone: `2026-11-21 03:14:07.123 +01:00`. */
export function exact(at: Date): string {
  const offset = -at.getTimezoneOffset()
  const sign = offset < 0 ? '-' : '+'
  const zone = offset === 0 ? 'UTC' : `${sign}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`
  return `${day(at)} ${clock(at)}.${pad(at.getMilliseconds(), 3)} ${zone}`
}

export function clock(at: Date): string {
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`
}

export function day(at: Date): string {
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`
}

/** Heading of a day in a timeline: `Today`, `Yesterday`, `Wednesday 18 November`. */
export function dayHeading(at: Date, now: Date): string {
  const start = (d: Date) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime()
  const days = Math.round((start(now) - start(at)) / (DAY * 1000))
  if (days === 0) return 'Today'
  if (days === 1) return 'Yesterday'
  const options: Intl.DateTimeFormatOptions = { weekday: 'long', day: 'numeric', month: 'long' }
  if (at.getFullYear() !== now.getFullYear()) options.year = 'numeric'
  return new Intl.DateTimeFormat('en-GB', options).format(at)
}

/** How long until `relative` of this instant reads differently, in milliseconds: what a clock has to wait for. */
export function staleIn(at: Date, now: Date): number {
  const s = Math.abs(now.getTime() - at.getTime()) / 1000
  if (s < MINUTE) return 1000
  if (s < HOUR) return 15_000
  return 60_000
}
