import { expect, it } from 'vitest'
import { between, rangeOf, RANGES, trendRange } from './range'

it('the address chooses the range; what it does not know is a day', () => {
  expect(rangeOf('30d').text).toBe('30 d')
  expect(rangeOf(null).text).toBe('24 h')
  expect(rangeOf('forever').text).toBe('24 h')
})

it('now is the server’s clock; the past has two ends', () => {
  expect(between(rangeOf('1h'), null)).toEqual({ from: '1h' })
  expect(between(rangeOf('1y'), null)).toEqual({ from: '8760h' })
  expect(between(rangeOf('5m'), null)).toEqual({ from: '5m' })
  expect(between(rangeOf('1h'), '2026-11-21T08:30:00Z')).toEqual({ from: '2026-11-21T07:30:00.000Z', to: '2026-11-21T08:30:00.000Z' })
  expect(between(rangeOf('1h'), 'soon')).toEqual({ from: '1h' })
  expect(between(rangeOf('1h'), null, { from: 0, to: 60_000 })).toEqual({ from: '1970-01-01T00:00:00.000Z', to: '1970-01-01T00:01:00.000Z' })
})

it('where a number leads is never asked of less than a week', () => {
  expect(RANGES.map(trendRange)).toEqual(['7d', '7d', '7d', '7d', '30d', '365d', '730d'])
})
