import { expect, it } from 'vitest'
import { actionPath, parseSubject, subjectPath } from './subject'

it('subjects are read as they are written', () => {
  expect(parseSubject('service/piha/z2m')).toEqual({ type: 'service', node: 'piha', name: 'z2m' })
  expect(parseSubject('node/piha')).toEqual({ type: 'node', node: 'piha', name: 'piha' })
  expect(parseSubject('unit/piha/a/b')).toEqual({ type: 'unit', node: 'piha', name: 'a/b' })
  expect(parseSubject('stead')).toEqual({ type: '', node: null, name: 'stead' })
})

it('each subject leads to its page, and strange names stay inside of it', () => {
  expect(subjectPath('service/piha/z2m')).toBe('/services/piha/z2m')
  expect(subjectPath('node/piha')).toBe('/nodes/piha')
  expect(subjectPath('container/piha/a b')).toBe('/containers/piha/a%20b')
  expect(subjectPath('service/piha/../x')).toBe('/services/piha/..%2Fx')
  expect(subjectPath('fleet/home')).toBeNull()
  expect(subjectPath('')).toBeNull()
})

it('an action is addressed with its occurrence', () => {
  expect(actionPath({ id: 'redeploy-a-b', occurrence: 3 })).toBe('/actions/redeploy-a-b?occurrence=3')
})
