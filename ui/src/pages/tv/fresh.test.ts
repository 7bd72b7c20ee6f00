import { expect, it } from 'vitest'
import { freshness, OLD_MS } from './fresh'

const NOW = 1_795_000_000_000

it('a lost link says how old the picture is', () => {
  expect(freshness('lost', NOW - 125_000, NOW)).toEqual({ old: true, text: 'No connection. This is 2 min old' })
  expect(freshness('lost', 0, NOW).old).toBe(true)
})

it('a link that lives without answers is not believed', () => {
  expect(freshness('live', NOW - OLD_MS - 1, NOW).old).toBe(true)
  expect(freshness('live', NOW - OLD_MS, NOW)).toEqual({ old: false, text: 'Live' })
})

it('a clock that went back makes nothing old', () => {
  expect(freshness('live', NOW + 60_000, NOW).old).toBe(false)
})
