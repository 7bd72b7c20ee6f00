import { expect, it } from 'vitest'
import type { Annotation } from '../api/generated'
import { marks, together } from './annotations'

const note = (at: number, kind = 'repair', event = at): Annotation => ({ at: new Date(at).toISOString(), kind, what: `${kind} at ${at}`, node: 'a', event })

it('what lies on each other is one mark, and only what is asked for is drawn', () => {
  const found = marks([note(900), note(100), note(104, 'deploy'), note(2000)], 0, 1000, 0.02)
  expect(found.map((mark) => [mark.at, mark.of.length, mark.icon])).toEqual([
    [100, 2, 'event'],
    [900, 1, 'action'],
  ])
  expect(found[0]?.of[0]?.kind).toBe('deploy')
  expect(found[1]?.place).toBeCloseTo(0.9)
})

it('a kind nobody knows yet is still drawn', () => {
  expect(marks([note(5, 'meteor')], 0, 10, 0.1)[0]?.icon).toBe('event')
})

it('what several trends tell is told once, newest first', () => {
  expect(together([[note(1), note(5)], [note(5), note(3)]]).map((one) => Date.parse(one.at))).toEqual([5, 3, 1])
})
