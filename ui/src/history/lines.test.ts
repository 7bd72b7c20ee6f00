import { expect, it } from 'vitest'
import type { HistorySeries } from '../api/generated'
import { beginning, columns, cpuLines, diskLines, memoryLines, memoryTotal, networkLines, stacked, sum } from './lines'

const series = (metric: string, labels: Record<string, string>, points: number[][]): HistorySeries => ({ metric, labels: { node: 'a', ...labels }, unit: '', points })
const cpu = (mode: string, value: number) => series('stead_node_cpu_percent', { mode }, [[10_000, value, value, value]])

it('a step that is missing is a hole in the line, and only there', () => {
  const line = sum('x', 'percent', [series('m', {}, [[10_000, 1, 2, 3], [20_000, 2, 3, 4], [50_000, 5, 6, 7]])])
  const { times, average, low, high } = columns([line], 10_000)
  expect(times).toEqual([10, 20, 30, 50])
  expect(average[0]).toEqual([2, 3, null, 6])
  expect(low[0]).toEqual([1, 2, null, 5])
  expect(high[0]).toEqual([3, 4, null, 7])
})

it('a step may be longer at one time than at another', () => {
  const line = sum('x', 'percent', [series('m', {}, [[0, 1, 1, 1], [10_000, 1, 1, 1], [20_000, 1, 1, 1], [21_000, 1, 1, 1], [23_000, 1, 1, 1]])])
  expect(columns([line], (at) => (at < 20_000 ? 10_000 : 1000)).times).toEqual([0, 10, 20, 21, 22, 23])
})

it('a line that begins later has nothing before, not zero', () => {
  const early = sum('early', 'percent', [series('m', {}, [[10_000, 1, 1, 1], [20_000, 1, 1, 1]])])
  const late = sum('late', 'percent', [series('m', {}, [[20_000, 5, 5, 5]])])
  expect(columns([early, late], 10_000).average).toEqual([[1, 1], [null, 5]])
})

it('modes are stacked in their order, steal on top, what is unknown left out', () => {
  const lines = cpuLines([cpu('steal', 4), cpu('user', 10), cpu('nice', 1), cpu('system', 5), cpu('softirq', 2), cpu('iowait', 3)])
  expect(lines.map((line) => line.label)).toEqual(['user', 'system', 'I/O wait', 'steal'])
  expect(stacked(columns(lines, 10_000).average)).toEqual([[11], [18], [21], [25]])
  expect(cpuLines([cpu('user', 10)]).map((line) => line.label)).toEqual(['user'])
})

it('a hole below is a hole above', () => {
  expect(stacked([[1, null], [2, 3]])).toEqual([[1, null], [3, null]])
})

it('the highest of a sum is not known, that of one series is', () => {
  const one = (name: string, value: number) => series('stead_node_network_receive_bytes_per_second', { interface: name }, [[10_000, 0, value, 2 * value]])
  const [both] = networkLines([one('eth0', 5), one('wg0', 2), one('lo', 100)])
  expect(both?.points).toEqual([[10_000, 0, 7, 14]])
  expect(both?.exact).toBe(false)
  expect(networkLines([one('eth0', 5)])[0]?.exact).toBe(true)
})

it('the fullest disks come first, four at most', () => {
  const disks = [10, 90, 30, 50, 70].map((value, i) => series('stead_node_filesystem_used_percent', { mount: `/m${i}` }, [[10_000, value, value, value]]))
  expect(diskLines(disks).map((line) => line.label)).toEqual(['/m1', '/m4', '/m3', '/m2'])
})

it('memory has a top where its total was measured', () => {
  const all = [series('stead_node_memory_total_bytes', {}, [[10_000, 8, 8, 8]]), series('stead_node_memory_used_bytes', {}, [[10_000, 3, 3, 3]])]
  expect(memoryTotal(all)).toBe(8)
  expect(memoryLines(all).map((line) => line.label)).toEqual(['used'])
  expect(memoryTotal([])).toBeUndefined()
})

it('a record that begins later than asked says when; one that reaches back says nothing', () => {
  const line = sum('x', 'percent', [series('m', {}, [[100_000, 1, 1, 1]])])
  expect(beginning([line], 0, 10_000)).toBe(100_000)
  expect(beginning([line], 90_000, 10_000)).toBeNull()
  expect(beginning([], 0, 10_000)).toBeNull()
})
