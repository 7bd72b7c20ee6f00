import { expect, it } from 'vitest'
import { subjectPath } from '../../format/subject'
import { leads, period, sentence, shown } from './did'

const entry = { at: '2026-11-26T03:00:00Z', kind: 'repair', text: 'restarted z2m on piha', why: null, subject: 'service/piha/z2m', action: null, occurrence: null, seq: null }

it('an entry leads to its action, or to what it is about', () => {
  expect(leads({ ...entry, action: 'container-restart-piha-z2m', occurrence: 3 }, subjectPath)).toBe('/actions/container-restart-piha-z2m?occurrence=3')
  expect(leads(entry, subjectPath)).toBe('/services/piha/z2m')
  expect(leads({ ...entry, subject: 'fleet' }, subjectPath)).toBeNull()
})

it('what nobody knows is never drawn as well', () => {
  expect(shown({ kind: 'something_new' })).toEqual({ word: 'something_new', state: 'unknown' })
  expect(shown({ kind: 'failure' }).state).toBe('failed')
})

it('the time is named as it was asked for', () => {
  expect(period('night', { since: '', until: 'x' }, true)).toBe('Last night, 22:00 to 07:00')
  expect(period('night', { since: '', until: null }, true)).toBe('Since last night, 22:00')
  expect(period('', { since: '', until: null }, true)).toBe('Since you last looked')
  expect(period('', { since: '', until: null }, false)).toBe('In the last 24 hours')
  expect(sentence('restarted web')).toBe('Restarted web')
})
