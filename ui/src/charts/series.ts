/** Samples as columns for a chart: gaps stay gaps, long spans are thinned without losing peaks. Pure. */
import type { Sample } from '../api/generated'
import type { Unit } from './paint'

export interface Series {
  label: string
  unit: Unit
  value: (sample: Sample) => number | null | undefined
}

/** uPlot's shape: seconds first, then one column a series. */
export type Columns = [number[], ...(number | null)[][]]

/** A hole this wide between two samples is shown as one. */
const GAP_SECONDS = 5

export function columns(samples: readonly Sample[], series: readonly Series[]): Columns {
  const times: number[] = []
  const values: (number | null)[][] = series.map(() => [])
  for (const sample of samples) {
    const at = Date.parse(sample.at) / 1000
    const before = times.at(-1)
    if (before !== undefined && at - before > GAP_SECONDS) {
      times.push(before + 1)
      for (const column of values) column.push(null)
    }
    times.push(at)
    series.forEach((one, i) => values[i]!.push(finite(one.value(sample))))
  }
  return [times, ...values]
}

function finite(value: number | null | undefined): number | null {
  return value == null || !Number.isFinite(value) ? null : value
}

/** Evenly chosen rows for the table view, newest first. */
export function pick(samples: readonly Sample[], most: number): Sample[] {
  const step = Math.max(1, Math.ceil(samples.length / most))
  return samples.filter((_, i) => (samples.length - 1 - i) % step === 0).reverse()
}
