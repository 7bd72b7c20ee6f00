import { expect, it } from 'vitest'
import { type Chord, press, type Press } from './keys'

const key = (text: string, more: Partial<Press> = {}): Press => ({
  key: text,
  ctrl: false,
  meta: false,
  alt: false,
  typing: false,
  ...more,
})

function type(keys: [Press, number][]) {
  let chord: Chord | null = null
  const commands: (string | null)[] = []
  for (const [event, at] of keys) {
    const result = press(chord, event, at)
    chord = result.chord
    commands.push(result.command)
  }
  return commands
}

it('g then o goes to the overview', () => {
  expect(type([[key('g'), 0], [key('o'), 500]])).toEqual([null, 'overview'])
})

it('a after g means actions, alone it approves', () => {
  expect(type([[key('g'), 0], [key('a'), 100]])).toEqual([null, 'actions'])
  expect(type([[key('a'), 0]])).toEqual(['approve'])
})

it('a chord lapses, and then the second key has its own meaning', () => {
  expect(type([[key('g'), 0], [key('a'), 5000]])).toEqual([null, 'approve'])
})

it('an unknown second key ends the chord without doing anything', () => {
  expect(type([[key('g'), 0], [key('r'), 100], [key('r'), 200]])).toEqual([null, null, 'reject'])
})

it('typing into a field commands nothing but the palette', () => {
  expect(type([[key('a', { typing: true }), 0]])).toEqual([null])
  expect(type([[key('k', { typing: true, meta: true }), 0]])).toEqual(['palette'])
  expect(type([[key('K', { ctrl: true }), 0]])).toEqual(['palette'])
})

it('the browser keeps its own shortcuts', () => {
  expect(type([[key('r', { ctrl: true }), 0]])).toEqual([null])
  expect(type([[key('a', { meta: true }), 0]])).toEqual([null])
  expect(type([[key('j', { alt: true }), 0]])).toEqual([null])
})
