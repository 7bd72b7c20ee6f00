import { expect, it } from 'vitest'
import type { ScoreDimension } from '../api/generated'
import { dataOf, partOf, reachOf, spoken } from './points'

const dimension = (points: number | null, weight = 20): ScoreDimension => ({ kind: 'cpu', title: 'CPU', measured: '', weight, points, lost: points === null ? 0 : weight - points })

it('unknown is never full and never empty', () => {
  expect(reachOf(dimension(null))).toBe('unknown')
  expect(spoken(dimension(null))).toBe('no data')
  expect([20, 15, 7, 6, 0].map((points) => reachOf(dimension(points)))).toEqual(['all', 'some', 'some', 'few', 'few'])
  expect(spoken(dimension(15))).toBe('15 of 20 points')
})

it('a fix on this page is a part of it; one elsewhere is another page', () => {
  expect(partOf('/nodes/vps-fra#disk', 'vps-fra')).toBe('disk')
  expect(partOf('/nodes/piha#disk', 'vps-fra')).toBeNull()
  expect(partOf('/services?node=vps-fra', 'vps-fra')).toBeNull()
})

it('each dimension has its data', () => {
  for (const kind of ['cpu', 'memory', 'disk', 'services', 'maintenance', 'llm']) expect(dataOf(kind)).not.toBe('')
})
