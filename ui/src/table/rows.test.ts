import { expect, it } from 'vitest'
import type { Column } from './column'
import { compareValues, cut, filtered, matchesText, sorted } from './rows'

it('sorts numbers by size, names as people do, and the unknown last', () => {
  const sorted = (values: (string | number | null)[]) => [...values].sort(compareValues)
  expect(sorted([10, 9, 100])).toEqual([9, 10, 100])
  expect(sorted(['node-10', 'Node-2', 'node-1'])).toEqual(['node-1', 'Node-2', 'node-10'])
  expect(sorted([null, 'b', '', 'a']).slice(0, 2)).toEqual(['a', 'b'])
})

it('finds rows by all words in any order and case', () => {
  const row = ['zigbee2mqtt', 'piha', null, 3]
  expect(matchesText(row, 'PIHA zig')).toBe(true)
  expect(matchesText(row, 'piha mosquitto')).toBe(false)
  expect(matchesText(row, '')).toBe(true)
  expect(matchesText(row, ' piha ')).toBe(true)
})

interface One {
  name: string
  size: number | null
}
const name: Column<One> = { id: 'name', title: 'Name', value: (one) => one.name }
const size: Column<One> = { id: 'size', title: 'Size', value: (one) => (one.size === null ? '' : `${one.size} MB`), sort: (one) => one.size }
const all: One[] = [{ name: 'b', size: 2 }, { name: 'a', size: 10 }, { name: 'c', size: 2 }, { name: 'd', size: null }]
const names = (rows: readonly One[]) => rows.map((one) => one.name).join('')

it('sorts by a column either way round, and leaves what is equal as it was', () => {
  expect(names(sorted(all, name, false))).toBe('abcd')
  expect(names(sorted(all, name, true))).toBe('dcba')
  expect(names(sorted(all, size, false))).toBe('bcad')
  expect(names(sorted(all, size, true))).toBe('dabc')
  expect(names(sorted(all, undefined, false))).toBe('bacd')
  expect(names(all)).toBe('bacd')
})

it('finds in what is shown, not in what is sorted by', () => {
  expect(names(filtered(all, [name, size], '10 MB'))).toBe('a')
  expect(names(filtered(all, [name], '10 MB'))).toBe('')
  expect(filtered(all, [name, size], '  ')).toBe(all)
})

it('draws what is seen and a little more, wherever that is', () => {
  expect(cut(1000, 40, 0, 400, 8)).toEqual([0, 26])
  expect(cut(1000, 40, 0, 400, 0)).toEqual([0, 10])
  expect(cut(1000, 40, 4000, 400, 8)).toEqual([92, 118])
  expect(cut(1000, 40, 40_000, 400, 8)).toEqual([974, 1000])
  expect(cut(5, 40, 40_000, 400, 8)).toEqual([0, 5])
  expect(cut(0, 40, 0, 400, 8)).toEqual([0, 0])
})
