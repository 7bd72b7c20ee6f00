import { expect, it } from 'vitest'
import type { Trend } from '../api/generated'
import { leansOn, toneOf, unbroken } from './projection'

const trend = (more: Partial<Trend>): Trend => ({ selector: 's', sentence: '', points: [], annotations: [], projections: [], ...more })
const bound = (level: string, answer: string) => ({ level, answer, bound: 80, label: '80 %', text: '' })

it('only a bound that is reached or will be calls for a look', () => {
  expect(toneOf(trend({ projections: [bound('noted', 'reached'), bound('warning', 'within')] }))).toBe('warn')
  expect(toneOf(trend({ projections: [bound('warning', 'reached'), bound('critical', 'within')] }))).toBe('bad')
  expect(toneOf(trend({ projections: [bound('critical', 'not_within'), bound('warning', 'refused')] }))).toBe('plain')
})

it('says its range and what it is made from, or nothing', () => {
  const slope = { per_day: 0.6, low: 0.5, high: 1, direction: 'rising', level: 78, level_error: 0.1, points: 336, span_ms: 7 * 86_400_000, jumps: [{ at: '', by: -6 }] }
  expect(leansOn(trend({ slope }), 'percent')).toBe('+0.5\u00a0points to +1.0\u00a0points a day, from 7.0 days; 1 sudden change left out')
  expect(leansOn(trend({ slope: { ...slope, low: -0.02, high: 0.04, jumps: [] } }), 'percent')).toBe('−0.02\u00a0points to +0.04\u00a0points a day, from 7.0 days')
  expect(leansOn(trend({ slope: null }), 'percent')).toBeNull()
})

it('a number stays with its unit', () => {
  expect(unbroken('62 % now, in 9 to 14 days')).toBe('62\u00a0% now, in 9 to 14\u00a0days')
})
