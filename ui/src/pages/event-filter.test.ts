import { expect, it } from 'vitest'
import type { Event } from '../api/generated'
import { EMPTY, fromUrl, isEmpty, matches, toQuery, toUrl } from './event-filter'

const now = new Date('2026-11-21T12:00:00Z')
const event: Event = {
  seq: 7,
  id: 'e7',
  at: '2026-11-21T11:30:00.000Z',
  node: 'piha',
  subject: 'service/piha/z2m',
  kind: 'service_unhealthy',
  severity: 'warning',
  data: { trigger: 'mqtt_unreachable' },
  cause: null,
  source: 'agent',
  text: 'z2m is unhealthy',
}

it('URL → filter → URL is the same', () => {
  const text = 'q=mqtt&node=piha&kind=service_unhealthy&severity=warning&since=1h'
  expect(new URLSearchParams(toUrl(fromUrl(new URLSearchParams(text)))).toString()).toBe(text)
})

it('nonsense in the URL is dropped, not passed on', () => {
  expect(fromUrl(new URLSearchParams('severity=loud&since=forever&since=1h&x=1'))).toEqual(EMPTY)
  expect(fromUrl(new URLSearchParams('since=toString')).since).toBe('')
  expect(isEmpty(fromUrl(new URLSearchParams('severity=loud')))).toBe(true)
})

it('relative times are fixed when they are asked', () => {
  expect(toQuery({ ...EMPTY, since: '1h', node: 'piha' }, now)).toEqual({ node: 'piha', since: '2026-11-21T11:00:00.000Z' })
})

it('a live event is judged by every part of the filter', () => {
  const passes = (part: Partial<typeof EMPTY>) => matches({ ...EMPTY, ...part }, event, now)
  expect(passes({})).toBe(true)
  expect(passes({ node: 'piha' })).toBe(true)
  expect(passes({ node: 'pih' })).toBe(false)
  expect(passes({ severity: 'info' })).toBe(true)
  expect(passes({ severity: 'critical' })).toBe(false)
  expect(passes({ since: '15m' })).toBe(false)
  expect(passes({ since: '1h' })).toBe(true)
  expect(passes({ q: 'MQTT_unreach' })).toBe(true)
  expect(passes({ q: 'docker' })).toBe(false)
  expect(passes({ subject: 'service/piha/other' })).toBe(false)
  expect(passes({ kind: 'service_recovered' })).toBe(false)
})
