import { expect, it } from 'vitest'
import type { Sample } from '../api/generated'
import { columns, pick, type Series } from './series'

const cpu: Series = { label: 'CPU', unit: 'percent', value: (sample) => sample.cpu_percent }
const psi: Series = { label: 'PSI', unit: 'percent', value: (sample) => sample.psi_cpu }
const at = (second: number, value: number) => ({ at: new Date(second * 1000).toISOString(), cpu_percent: value, psi_cpu: null }) as Sample

it('a hole in time is a hole in the line', () => {
  const [times, values] = columns([at(100, 1), at(101, 2), at(160, 3)], [cpu])
  expect(times).toEqual([100, 101, 102, 160])
  expect(values).toEqual([1, 2, null, 3])
})

it('what was not measured is not zero', () => {
  expect(columns([at(100, 1)], [psi])[1]).toEqual([null])
})

it('a table shows the newest and few', () => {
  const many = Array.from({ length: 100 }, (_, i) => at(i, i))
  const rows = pick(many, 10)
  expect(rows).toHaveLength(10)
  expect(rows[0]?.cpu_percent).toBe(99)
})
