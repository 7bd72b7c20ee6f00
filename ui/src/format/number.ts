/** Quantities with their units. A thin no-break space keeps number and unit together. */

const NBSP = '\u202f'
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function bytes(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return '–'
  let n = Math.abs(value)
  let unit = 0
  while (n >= 1023.95 && unit < UNITS.length - 1) {
    n /= 1024
    unit += 1
  }
  const digits = unit === 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2
  return `${value < 0 ? '-' : ''}${n.toFixed(digits)}${NBSP}${UNITS[unit]}`
}

export function rate(value: number | null | undefined): string {
  return value == null || !Number.isFinite(value) ? '–' : `${bytes(value)}/s`
}

/** `7.3 %`, `42 %`: one decimal below ten, where it says something. */
export function percent(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return '–'
  return `${value.toFixed(Math.abs(value) < 9.95 ? 1 : 0)}${NBSP}%`
}

/** Made once: making one costs more than all it will format. */
const GROUPED = new Intl.NumberFormat('en-GB')

export function count(n: number, one: string, many = `${one}s`): string {
  return `${GROUPED.format(n)} ${n === 1 ? one : many}`
}

/** `part` of `whole` in percent; 0 where there is no whole. */
export function share(part: number, whole: number): number {
  return whole > 0 ? (part / whole) * 100 : 0
}

export function millis(ms: number): string {
  if (ms < 1000) return `${ms}${NBSP}ms`
  if (ms < 120_000) return `${+(ms / 1000).toFixed(1)}${NBSP}s`
  return `${Math.round(ms / 60_000)}${NBSP}min`
}
