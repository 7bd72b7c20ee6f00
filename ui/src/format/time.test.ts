import { describe, expect, it } from 'vitest'
import { dayHeading, exact, parse, relative, span, staleIn } from './time'

const now = new Date('2026-11-21T12:00:00Z')
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000)

describe('relative', () => {
  it.each([
    [0, 'just now'],
    [2.9, 'just now'],
    [12, '12 s ago'],
    [59.9, '59 s ago'],
    [60, '1 min ago'],
    [3599, '59 min ago'],
    [3600, '1 h ago'],
    [86_399, '23 h ago'],
    [86_400, '1 d ago'],
    [-1, 'just now'],
    [-300, 'in 5 min'],
  ])('%s seconds back reads %s', (seconds, text) => {
    expect(relative(ago(seconds), now)).toBe(text)
  })
})

describe('span', () => {
  it.each([
    [0, '0 s'],
    [-5, '0 s'],
    [45, '45 s'],
    [185, '3 min'],
    [7500, '2 h 5 min'],
    [7200, '2 h'],
    [6 * 86_400 + 4 * 3600, '6 d 4 h'],
    [412 * 86_400 + 3600, '412 d'],
  ])('%s seconds read %s', (seconds, text) => {
    expect(span(seconds)).toBe(text)
  })
})

it('an exact instant names its zone and keeps milliseconds', () => {
  expect(exact(new Date('2026-11-21T03:14:07.123Z'))).toBe('2026-11-21 03:14:07.123 UTC')
})

it('what is no instant is none', () => {
  expect(parse(null)).toBeNull()
  expect(parse('')).toBeNull()
  expect(parse('soon')).toBeNull()
  expect(parse('2026-11-21T03:14:07Z')?.getTime()).toBe(Date.UTC(2026, 10, 21, 3, 14, 7))
})

it('days are named from the reader on', () => {
  expect(dayHeading(ago(60), now)).toBe('Today')
  expect(dayHeading(ago(13 * 3600), now)).toBe('Yesterday')
  expect(dayHeading(new Date('2026-11-18T12:00:00Z'), now)).toBe('Wednesday 18 November')
  expect(dayHeading(new Date('2025-11-18T12:00:00Z'), now)).toContain('2025')
})

it('a clock ticks no faster than its text changes', () => {
  expect(staleIn(ago(5), now)).toBe(1000)
  expect(staleIn(ago(300), now)).toBe(15_000)
  expect(staleIn(ago(90_000), now)).toBe(60_000)
})
