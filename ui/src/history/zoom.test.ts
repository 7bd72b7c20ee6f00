import { expect, it } from 'vitest'
import type { HistoryTier } from '../api/generated'
import { chosen, farther, LEAST, MOST, moved, nearer, pointOf, stepAt, told, zoomOf, zoomText } from './zoom'

const HOUR = 3_600_000
const now = Date.parse('2026-11-26T15:00:00Z')
const tier = (minutesAgo: number, step_ms: number, on_node: boolean): HistoryTier => ({ from: new Date(now - minutesAgo * 60_000).toISOString(), to: '', step_ms, on_node })

it('the address says an interval, and what is none is none', () => {
  const stretch = { from: now - HOUR, to: now }
  expect(zoomText(stretch)).toBe('2026-11-26T14:00:00Z/2026-11-26T15:00:00Z')
  expect(zoomOf(zoomText(stretch))).toEqual(stretch)
  for (const text of [null, '', 'soon/later', '2026-11-26T14:00:00Z', '2026-11-26T15:00:00Z/2026-11-26T14:00:00Z', '2026-11-26T14:00:00Z/2026-11-26T14:00:10Z', '1990-01-01/2026-01-01']) expect(zoomOf(text)).toBeNull()
})

it('from two years to a minute and back in a few steps, never beyond now', () => {
  let at = { from: now - MOST, to: now }
  let steps = 0
  while (at.to - at.from > LEAST && steps < 20) {
    at = nearer(at, now)
    steps += 1
    expect(at.to).toBe(now)
  }
  expect(steps).toBe(11)
  expect(at).toEqual({ from: now - LEAST, to: now })
  for (let i = 0; i < steps; i += 1) at = farther(at, now)
  expect(at).toEqual({ from: now - MOST, to: now })
})

it('what lies in the past is looked at around its middle', () => {
  const past = { from: now - 10 * HOUR, to: now - 6 * HOUR }
  expect(nearer(past, now)).toEqual({ from: now - 8.5 * HOUR, to: now - 7.5 * HOUR })
  expect(farther(past, now).to).toBe(now)
  expect(moved(past, -1, now)).toEqual({ from: now - 12 * HOUR, to: now - 8 * HOUR })
  expect(moved({ from: now - HOUR, to: now }, 1, now).to).toBe(now)
})

it('a short drag is a minute, and it may go backwards', () => {
  expect(chosen(now - 5 * HOUR, now - 6 * HOUR, now)).toEqual({ from: now - 6 * HOUR, to: now - 5 * HOUR })
  const short = chosen(now - 90_000, now - 80_000, now)
  expect(short.to - short.from).toBe(LEAST)
})

it('a stretch is told as exactly as it is long', () => {
  expect(told({ from: now - LEAST, to: now })).toMatch(/^2026-11-26 \d\d:59:00 to \d\d:00:00$/)
  expect(told({ from: now - 3 * HOUR, to: now })).toMatch(/:00 to \d\d:00$/)
  expect(told({ from: now - MOST, to: now })).toBe('2024-11-26 to 2026-11-26')
})

it('what a point is says where it lies, and where it changes', () => {
  expect(pointOf([tier(10, 1000, true)], 1000)).toBe('1 s, from the node itself')
  expect(pointOf([tier(1, 1000, true), tier(10, 1000, true)], 1000)).toBe('1 s, from the node itself')
  expect(pointOf([tier(10, 10_000, false), tier(90, 60_000, false)], 7_200_000)).toBe('2 h')
  expect(pointOf([tier(5, 1000, true), tier(10, 10_000, false)], 1000)).toMatch(/^1 s, from the node itself, since .* \d\d:55:00, and 10 s before$/)
  expect(pointOf([], 10_000)).toBe('10 s')
})

it('a step is as long as what is kept of its time', () => {
  const step = stepAt([tier(5, 1000, true), tier(10, 10_000, false)], 2000)
  expect([step(now), step(now - 7 * 60_000), step(now - HOUR)]).toEqual([2000, 10_000, 2000])
})
