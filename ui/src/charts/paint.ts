/** What every chart's canvas needs: colours of the tokens, values with their units. */
import { bytes, percent, rate } from '../format/number'

export type Unit = 'percent' | 'bytes' | 'rate' | 'number'

export const COLOURS = ['--chart-1', '--chart-2', '--chart-3', '--chart-4']

/** Bytes are counted in powers of two, on the axis too. */
export const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i)

/** A canvas knows no custom properties. */
export function colour(element: Element, token: string): string {
  const probe = document.createElement('i')
  probe.style.color = `var(${token})`
  element.append(probe)
  const value = getComputedStyle(probe).color
  probe.remove()
  return value
}

/** The same colour, seen through. */
export function thin(value: string, alpha: number): string {
  return value.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`)
}

export function format(unit: Unit, value: number | null | undefined): string {
  if (unit === 'percent') return percent(value)
  if (unit === 'bytes') return bytes(value)
  if (unit === 'rate') return rate(value)
  return value == null ? '–' : value.toFixed(2)
}

/** A value on an axis. */
export function tick(unit: Unit, value: number): string {
  if (value === 0) return unit === 'percent' ? '0 %' : '0'
  return format(unit, value)
}
