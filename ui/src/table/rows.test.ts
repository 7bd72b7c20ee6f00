import { expect, it } from 'vitest'
import { compareValues, matchesText } from './rows'

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
