import { describe, expect, it } from 'vitest'
import { type Mark, nextMark, reach, stepOf, thin } from './marks'

const mark = (at: number, tone: Mark['tone'] = 'plain'): Mark => ({ at, kind: 'x', text: '', tone })

describe('marks', () => {
  it('the next one is the nearest in that direction, never the one we stand on', () => {
    const marks = [mark(10), mark(20), mark(30)]
    expect(nextMark(marks, 20, 1)?.at).toBe(30)
    expect(nextMark(marks, 20, -1)?.at).toBe(10)
    expect(nextMark(marks, 30, 1)).toBeNull()
  })
  it('of marks on one spot the gravest stays', () => {
    const shown = thin([mark(100), mark(101, 'bad'), mark(900), mark(5000)], 0, 1000, 10)
    expect(shown.map((m) => [m.at, m.tone])).toEqual([
      [101, 'bad'],
      [900, 'plain'],
    ])
  })
  it('covers no more than the log has, and never nothing', () => {
    expect(reach(500, 100_000, 3_600_000)).toEqual({ from: 500, to: 100_000 })
    expect(reach(0, 7_200_000, 3_600_000).from).toBe(3_600_000)
    expect(reach(100_000, 100_000, null).from).toBe(99_000)
  })
  it('steps in whole seconds', () => {
    expect(stepOf(0, 3_600_000)).toBe(7000)
    expect(stepOf(0, 1000)).toBe(1000)
  })
})
