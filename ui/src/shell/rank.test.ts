import { expect, it } from 'vitest'
import { rank } from './rank'

const service = (name: string, node: string) => ['service ' + name, [name, node, 'container']] as const
const score = (typed: string, [value, keywords]: readonly [string, readonly string[]]) => rank(value, typed, [...keywords])

it('the name beats what belongs to it, and a beginning beats a middle', () => {
  const umami = service('umami', 'vps-fra')
  const scores = ['umami', 'uma', 'ami', 'vps'].map((typed) => score(typed, umami))
  expect(scores).toEqual([...scores].sort((a, b) => b - a))
  expect(new Set(scores).size).toBe(4)
})

it('every word has to be answered', () => {
  expect(score('umami fra', service('umami', 'vps-fra'))).toBeGreaterThan(0)
  expect(score('umami piha', service('umami', 'vps-fra'))).toBe(0)
})

it('letters in order find a name, in another order they do not', () => {
  expect(score('z2m', service('zigbee2mqtt', 'piha'))).toBeGreaterThan(0)
  expect(score('m2z', service('zigbee2mqtt', 'piha'))).toBe(0)
})

it('a service comes before a closed action on it', () => {
  const closed = rank('closed redeploy-vps-fra-umami#1', 'umami', ['Redeploy umami #1', 'vps-fra'])
  expect(score('umami', service('umami', 'vps-fra'))).toBeGreaterThan(closed)
  expect(closed).toBeGreaterThan(0)
})

it('nothing typed shows everything', () => {
  expect(score('  ', service('a', 'b'))).toBe(1)
})
