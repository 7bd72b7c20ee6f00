/** Series of the history as lines of a chart: named for people, gaps kept, peaks beside averages. Pure. */
import type { HistorySeries } from '../api/generated'
import type { Unit } from '../charts/paint'

/** `[at, lowest, average, highest]`, `at` in milliseconds since 1970. */
export type Point = readonly [number, number, number, number]

export interface Line {
  label: string
  unit: Unit
  points: readonly Point[]
  /** Lowest and highest are measured and not the sum of others. */
  exact: boolean
}

/** uPlot's shape: seconds first, then one column a line. */
export interface Columns {
  times: number[]
  low: (number | null)[][]
  average: (number | null)[][]
  high: (number | null)[][]
}

/** More lines than that nobody can tell apart. */
export const MOST = 4

const points = (series: HistorySeries): Point[] => series.points.filter((point) => point.length === 4) as unknown as Point[]

/** One line of many series: the sum where several were measured at once. */
export function sum(label: string, unit: Unit, all: readonly HistorySeries[]): Line {
  if (all.length === 1) return { label, unit, points: points(all[0]!), exact: true }
  const at = new Map<number, [number, number, number, number]>()
  for (const series of all)
    for (const [time, low, average, high] of points(series)) {
      const there = at.get(time)
      if (there) {
        there[1] += low
        there[2] += average
        there[3] += high
      } else at.set(time, [time, low, average, high])
    }
  return { label, unit, points: [...at.values()].sort((a, b) => a[0] - b[0]), exact: false }
}

const named = (series: readonly HistorySeries[], metric: string) => series.filter((one) => one.metric === metric)
const present = (lines: Line[]) => lines.filter((line) => line.points.length > 0)

const MODES: [string, string[]][] = [
  ['user', ['user', 'nice']],
  ['system', ['system', 'irq', 'softirq']],
  ['I/O wait', ['iowait']],
  ['steal', ['steal']],
]

/** Modes in the order in which they are stacked; what is idle is the room above them. */
export function cpuLines(series: readonly HistorySeries[]): Line[] {
  return present(MODES.map(([label, modes]) => sum(label, 'percent', series.filter((one) => modes.includes(one.labels.mode ?? '')))))
}

export function memoryLines(series: readonly HistorySeries[]): Line[] {
  const lines: [string, string][] = [
    ['used', 'stead_node_memory_used_bytes'],
    ['swap used', 'stead_node_swap_used_bytes'],
    ['swap cached', 'stead_node_swap_cached_bytes'],
  ]
  return present(lines.map(([label, metric]) => sum(label, 'bytes', named(series, metric))))
}

/** All the memory there was, for the top of the axis. */
export function memoryTotal(series: readonly HistorySeries[]): number | undefined {
  const last = sum('', 'bytes', named(series, 'stead_node_memory_total_bytes')).points.at(-1)?.[3]
  return last !== undefined && last > 0 ? last : undefined
}

/** The fullest file systems. */
export function diskLines(series: readonly HistorySeries[]): Line[] {
  const last = (line: Line) => line.points.at(-1)?.[2] ?? 0
  const lines = present(series.map((one) => sum(one.labels.mount ?? '?', 'percent', [one])))
  return lines.sort((a, b) => last(b) - last(a) || a.label.localeCompare(b.label)).slice(0, MOST)
}

export function networkLines(series: readonly HistorySeries[]): Line[] {
  const outside = series.filter((one) => one.labels.interface !== 'lo')
  return present([
    sum('received', 'rate', named(outside, 'stead_node_network_receive_bytes_per_second')),
    sum('sent', 'rate', named(outside, 'stead_node_network_transmit_bytes_per_second')),
  ])
}

/** Lines on one axis of time. Where a step or more is missing, a hole is left; `step` says how long one is at an instant. */
export function columns(lines: readonly Line[], step: number | ((at: number) => number)): Columns {
  const long = typeof step === 'number' ? () => step : step
  const known = [...new Set(lines.flatMap((line) => line.points.map((point) => point[0])))].sort((a, b) => a - b)
  const times: number[] = []
  for (const at of known) {
    const before = times.at(-1)
    if (before !== undefined && at - before > long(before) * 1.5) times.push(before + long(before))
    times.push(at)
  }
  const place = new Map(times.map((at, i) => [at, i]))
  const column = (line: Line, part: 1 | 2 | 3) => {
    const values: (number | null)[] = new Array<number | null>(times.length).fill(null)
    for (const point of line.points) values[place.get(point[0])!] = Number.isFinite(point[part]) ? point[part] : null
    return values
  }
  return {
    times: times.map((at) => at / 1000),
    low: lines.map((line) => column(line, 1)),
    average: lines.map((line) => column(line, 2)),
    high: lines.map((line) => column(line, 3)),
  }
}

/** Each column on top of those before it. A hole in one is a hole in all above it. */
export function stacked(all: readonly (number | null)[][]): (number | null)[][] {
  const done: (number | null)[][] = []
  for (const column of all) {
    const below = done.at(-1)
    done.push(below ? column.map((value, i) => (value === null || below[i] == null ? null : value + below[i])) : [...column])
  }
  return done
}

/** When the record begins, where that is later than what was asked for; milliseconds since 1970. */
export function beginning(lines: readonly Line[], from: number, stepMs: number): number | null {
  const first = Math.min(...lines.map((line) => line.points[0]?.[0] ?? Number.POSITIVE_INFINITY))
  return Number.isFinite(first) && first - from > 2 * stepMs ? first : null
}
