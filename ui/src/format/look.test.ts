import { expect, it } from 'vitest'
import { containerState, look, serviceState, unitLook, weight } from './look'

it('only what was seen well looks well', () => {
  for (const state of ['unknown', 'stale', '', 'something-new', 'starting', 'missing']) expect(look(state)).not.toBe('well')
  expect(look('healthy')).toBe('well')
})

it('an action at work lies over the state, a pending one does not', () => {
  const service = { state: 'unhealthy', monitored: true, managed: true }
  expect(serviceState({ ...service, action_state: 'running' })).toBe('working')
  expect(serviceState({ ...service, action_state: 'pending' })).toBe('unhealthy')
  expect(serviceState({ ...service, held: { lock: 'maintenance' } })).toBe('held')
  expect(serviceState({ ...service, held: { lock: 'maintenance' }, action_state: 'running' })).toBe('working')
  expect(serviceState({ ...service, state: 'healthy', held: { lock: 'maintenance' } })).toBe('healthy')
  expect(serviceState({ ...service, monitored: false })).toBe('unmonitored')
  expect(serviceState({ ...service, monitored: false, managed: false })).toBe('unhealthy')
})

it('a container without a health check is well while it runs', () => {
  expect(containerState({ state: 'running', health: 'none' })).toEqual({ state: 'running', look: 'well' })
  expect(containerState({ state: 'running', health: 'unhealthy' })).toEqual({ state: 'unhealthy', look: 'bad' })
  expect(containerState({ state: 'exited', health: 'none' }).look).toBe('bad')
})

it('a unit at rest is not a failed one', () => {
  expect(unitLook({ active: 'inactive', load: 'loaded' })).toBe('quiet')
  expect(unitLook({ active: 'failed', load: 'loaded' })).toBe('bad')
  expect(unitLook({ active: 'inactive', load: 'not-found' })).toBe('missing')
})

it('trouble sorts before health', () => {
  expect(weight('bad')).toBeLessThan(weight('unknown'))
  expect(weight('unknown')).toBeLessThan(weight('well'))
})
