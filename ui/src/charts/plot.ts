/** What every chart of numbers over time shares: its axes, its cursor, and that it fills its place. */
import uPlot from 'uplot'
import { BINARY, colour, tick, type Unit } from './paint'

/** Room for the values left of the lines. */
export const AXIS = 68
export const RIGHT = 16

export interface Look {
  height: number
  /** Room above the lines. */
  top: number
  unit: Unit
  max?: number | undefined
  /** Charts of one group move their cursors together. */
  group: string
  /** From and to, in seconds; what the data span where nothing is said. */
  range?: () => [number, number]
  /** An instant on the axis, given in seconds. */
  onAxis: (second: number) => string
  /** A stretch was pointed out, in seconds; without it none can be. */
  onStretch?: (from: number, to: number) => void
}
/** A drag of fewer pixels was none. */
const DRAG = 6

const leastOf = (unit: Unit) => (unit === 'number' ? 1 : unit === 'percent' ? 5 : 1024)

/** Without series: those are the chart's own. */
export function frame(element: HTMLElement, { height, top, unit, max, group, range, onAxis, onStretch }: Look): Omit<uPlot.Options, 'series'> {
  const ink = colour(element, '--faint')
  const line = colour(element, '--line')
  const font = `11px ${getComputedStyle(element).fontFamily}`
  return {
    width: element.clientWidth,
    height,
    padding: [top, RIGHT, 0, 0],
    legend: { show: false },
    cursor: {
      // What is pointed out is pointed out once, in one of them.
      sync: { key: group, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave', sub: () => true } },
      points: { size: 6 },
      y: false,
      drag: { x: onStretch !== undefined, y: false, setScale: false, dist: DRAG },
    },
    hooks: onStretch
      ? {
          setSelect: [
            (plot) => {
              const { left, width } = plot.select
              if (width < DRAG) return
              plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
              onStretch(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'))
            },
          ],
        }
      : {},
    scales: {
      x: { time: true, ...(range ? { range } : {}) },
      y: { range: (_, __, most) => [0, max ?? Math.max(leastOf(unit), (most ?? 0) * 1.15)] },
    },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { stroke: line, size: 4 }, size: 24, space: 70, values: (_, splits) => splits.map(onAxis) },
      { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: AXIS, space: 36, values: (_, splits) => splits.map((s) => tick(unit, s)), ...(unit === 'bytes' || unit === 'rate' ? { incrs: BINARY } : {}) },
    ],
  }
}

/** Draws into `element` and follows its width. Returns the plot and its end. */
export function draw(element: HTMLElement, options: uPlot.Options, data: uPlot.AlignedData, sized?: (width: number) => void): { plot: uPlot; end: () => void } {
  const plot = new uPlot(options, data, element)
  const resize = new ResizeObserver(() => {
    sized?.(element.clientWidth)
    plot.setSize({ width: element.clientWidth, height: options.height })
  })
  resize.observe(element)
  return {
    plot,
    end: () => {
      resize.disconnect()
      plot.destroy()
    },
  }
}
