import { expect, it } from 'vitest'
import { actionTitle, metric, outcomeWords, short, words } from './words'

it('kinds read as sentences, acronyms keep their capitals', () => {
  expect(words('mqtt_unreachable')).toBe('MQTT unreachable')
  expect(words('oom_kill')).toBe('OOM kill')
  expect(words('containers_not_running')).toBe('Containers not running')
  expect(words(null)).toBe('')
})

it('an action is named after what it does and to what', () => {
  expect(actionTitle({ kind: 'container_restart', subject: 'service/piha/z2m', service: 'z2m' })).toBe('Restart container z2m')
  expect(actionTitle({ kind: 'disk_cleanup', subject: 'node/piha', node: 'piha' })).toBe('Clean up disk of piha')
  expect(actionTitle({ kind: 'unit_restart', subject: 'unit/piha/nginx.service' })).toBe('Restart unit nginx.service')
  expect(actionTitle({ kind: 'something_new', subject: 'node/a' })).toBe('Something new a')
})

it('outcomes read as sentences, and what is one already stays', () => {
  expect(outcomeWords('drift_resolved_auto')).toBe('the drift resolved by itself')
  expect(outcomeWords('timed_out')).toBe('Timed out')
  expect(outcomeWords('The image could not be pulled: no such host.')).toContain('no such host')
  expect(outcomeWords(null)).toBe('')
})

it('digests lose their algorithm, thresholds name their mount', () => {
  expect(short('sha256:0123456789abcdef')).toBe('0123456789ab')
  expect(metric('disk:/srv')).toBe('Disk /srv')
  expect(metric('steal')).toBe('CPU steal')
})
