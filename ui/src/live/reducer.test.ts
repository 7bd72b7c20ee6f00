import { describe, expect, it } from 'vitest'
import type { Event, Feed, Sample } from '../api/generated'
import { append, backoff, merge, type Position, read, scope, START, touched } from './reducer'

const event = (seq: number, more: Partial<Event> = {}): Event => ({
  seq,
  id: `e${seq}`,
  at: '2026-11-21T12:00:00.000Z',
  node: 'piha',
  subject: 'service/piha/z2m',
  kind: 'service_unhealthy',
  severity: 'warning',
  data: {},
  cause: null,
  source: 'agent',
  text: '',
  ...more,
})
const alive = (head: number): Feed => ({ type: 'alive', head, at: '', version: '0.1.0' })
const logged = (seq: number): Feed => ({ type: 'event', event: event(seq) })

function run(messages: Feed[]) {
  let position: Position = START
  return messages.map((message) => {
    const meaning = read(position, message)
    position = meaning.position
    return meaning
  })
}

describe('the feed', () => {
  it('begins without loading everything twice', () => {
    expect(run([alive(10), logged(11), alive(11)]).map((m) => m.everything)).toEqual([false, false, false])
  })
  it('an event may come after the sign of life that already counted it', () => {
    expect(run([alive(10), alive(11), logged(11), alive(11)]).some((m) => m.everything)).toBe(false)
  })
  it('a lost event is noticed at the next sign of life, once', () => {
    expect(run([alive(10), alive(12), alive(12), alive(12)]).map((m) => m.everything)).toEqual([false, false, true, false])
  })
  it('a log that went back is loaded anew', () => {
    expect(run([alive(10), alive(3), alive(3)]).map((m) => m.everything)).toEqual([false, true, false])
  })
  it('a resync loads everything and goes on from its head', () => {
    const [, resync, next] = run([alive(10), { type: 'resync', head: 50 }, logged(51)])
    expect(resync?.everything).toBe(true)
    expect(next?.event?.seq).toBe(51)
  })
  it('what is repeated after a resume is ignored', () => {
    const [, , again] = run([alive(10), logged(11), logged(11)])
    expect(again?.event).toBeNull()
    expect(again?.stale).toEqual([])
  })
})

describe('what an event touches', () => {
  it('its service, its node and the lists', () => {
    const keys = touched(event(1)).map((key) => key.join('/'))
    expect(keys).toEqual(expect.arrayContaining(['overview', 'nodes', 'node/piha', 'services', 'service/piha/z2m', 'events']))
    expect(keys).not.toContain('actions')
  })
  it('a container touches every service of its node', () => {
    expect(touched(event(1, { subject: 'container/piha/z2m', kind: 'container_changed' }))).toContainEqual(['service', 'piha'])
  })
  it('an action touches the queue', () => {
    expect(touched(event(1, { kind: 'action_proposed' }))).toContainEqual(['actions'])
  })
  it('a new desired state touches everything', () => {
    expect(touched(event(1, { kind: 'desired_loaded', node: null, subject: 'fleet/home' }))).toEqual([[]])
  })
})

it('keys covered by a shorter one are left out', () => {
  expect(merge([['node', 'a'], ['service', 'a', 'x'], ['service', 'a'], ['node', 'a']])).toEqual([['node', 'a'], ['service', 'a']])
  expect(merge([['node', 'a'], []])).toEqual([[]])
})

it('a small fleet sends every number, a large one only what is looked at', () => {
  expect(scope(4, ['b'])).toBe('all')
  expect(scope(10_000, ['b', 'a', 'b'])).toBe('a,b')
  expect(scope(10_000, [])).toBe('none')
})

it('waiting grows, is spread and ends at a bound', () => {
  expect(backoff(0, 0.5)).toBe(500)
  expect(backoff(3, 0.5)).toBe(4000)
  expect(backoff(50, 1)).toBeLessThanOrEqual(19_500)
  expect(backoff(0, 0)).toBeGreaterThan(0)
})

it('space holds until it is measured again', () => {
  const disk = [{ mount: '/', fs: 'ext4', total: 10, used: 5, used_percent: 50 }]
  const first = append([], { at: 'a', filesystems: disk } as unknown as Sample, 5)
  const second = append(first, { at: 'b', filesystems: [] as unknown } as Sample, 5)
  expect(second.at(-1)?.filesystems).toBe(disk)
})

it('samples stay ordered and bounded', () => {
  const sample = (at: number) => ({ at: new Date(at * 1000).toISOString() }) as Sample
  let samples: Sample[] = []
  for (let i = 0; i < 20; i++) samples = append(samples, sample(i), 5)
  expect(samples).toHaveLength(5)
  expect(append(samples, sample(3), 5)).toBe(samples)
  expect(samples.at(-1)?.at).toBe(sample(19).at)
})
