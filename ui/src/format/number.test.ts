import { describe, expect, it } from 'vitest'
import { bytes, count, millis, percent, rate, share } from './number'

const plain = (text: string) => text.replaceAll('\u202f', ' ')

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [10.5 * 1024, '10.5 KiB'],
    [512 * 1024 ** 2, '512 MiB'],
    [1023.99 * 1024, '1.00 MiB'],
    [7.5 * 1024 ** 3, '7.50 GiB'],
    [-2048, '-2.00 KiB'],
  ])('%s reads %s', (value, text) => {
    expect(plain(bytes(value))).toBe(text)
  })
  it('what is not known is a dash, never a zero', () => {
    expect(bytes(null)).toBe('–')
    expect(bytes(undefined)).toBe('–')
    expect(rate(null)).toBe('–')
    expect(percent(Number.NaN)).toBe('–')
  })
})

it('percent keeps a decimal only where it says something', () => {
  expect(plain(percent(0.4))).toBe('0.4 %')
  expect(plain(percent(9.96))).toBe('10 %')
  expect(plain(percent(42.4))).toBe('42 %')
})

it('counts agree with their nouns', () => {
  expect(count(1, 'node')).toBe('1 node')
  expect(count(0, 'node')).toBe('0 nodes')
  expect(count(2, 'entry', 'entries')).toBe('2 entries')
})

it('a share of nothing is nothing', () => {
  expect(share(5, 0)).toBe(0)
  expect(share(1, 4)).toBe(25)
})

it('intervals', () => {
  expect(plain(millis(250))).toBe('250 ms')
  expect(plain(millis(1500))).toBe('1.5 s')
  expect(plain(millis(300_000))).toBe('5 min')
})
