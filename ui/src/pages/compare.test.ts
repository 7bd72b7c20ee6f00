import { expect, it } from 'vitest'
import type { Container, ServiceDetail } from '../api/generated'
import { compare, written, yaml } from './compare'

const container = {
  name: 'whoami',
  image: 'whoami:1',
  state: 'running',
  memory_limit: 64 * 1024 ** 2,
  restart_policy: 'always',
  ports: ['0.0.0.0:8080->80/tcp'],
} as Container

function service(desired: unknown, more: Partial<ServiceDetail> = {}): ServiceDetail {
  return { name: 'whoami', kind: 'container', state: 'healthy', monitored: true, desired, containers: [container], units: [], ...more } as ServiceDetail
}

const differing = (s: ServiceDetail) => compare(s).filter((row) => row.differs).map((row) => row.key)

it('the same thing written differently does not differ', () => {
  expect(differing(service({ container: 'whoami', image: 'whoami:1', mem_limit: '64m', restart: 'always', ports: ['8080:80'] }))).toEqual([])
  expect(differing(service({ image: 'docker.io/library/whoami:1' }))).toEqual([])
})

it('each difference is named', () => {
  expect(differing(service({ image: 'whoami:2', mem_limit: '128m', restart: 'no', ports: ['8081:80'] }))).toEqual([
    'image',
    'memory limit',
    'restart policy',
    'ports',
  ])
})

it('what the file leaves open never differs', () => {
  expect(differing(service({ container: 'whoami' }))).toEqual([])
})

it('what runs elsewhere and is well does not differ', () => {
  expect(differing(service({ kind: 'external' }, { kind: 'external', containers: [] }))).toEqual([])
})

it('what is absent differs from what was asked', () => {
  const rows = compare(service({ image: 'whoami:1' }, { containers: [], state: 'missing' }))
  expect(rows.find((row) => row.key === 'state')).toEqual({ key: 'state', desired: 'running', actual: 'absent', differs: true })
  expect(rows.find((row) => row.key === 'image')?.differs).toBe(true)
})

it('the server’s form is compared and shown in the shape of the files', () => {
  const desired = {
    kind: 'container',
    container: 'whoami',
    definition: { image: 'whoami:1', mem_limit: 64 * 1024 ** 2, ports: ['8080:80'] },
    monitor: true,
    suspended: false,
    needs: [],
    patience: { failures: 5, time: 30_000 },
    checks: [{ name: 'web', probe: { http: { url: 'http://x/' } }, every: 5000, timeout: 500 }],
  }
  expect(differing(service(desired))).toEqual([])
  expect(differing(service({ ...desired, definition: { image: 'whoami:2' } }))).toEqual(['image'])
  expect(written(desired)).toEqual({
    kind: 'container',
    container: 'whoami',
    image: 'whoami:1',
    mem_limit: '64m',
    ports: ['8080:80'],
    patience: { failures: 5, time: '30s' },
    checks: [{ name: 'web', http: { url: 'http://x/' }, every: '5s', timeout: 500 }],
  })
})

it('what is stale or unknown never differs', () => {
  const silent = { containers: [], units: [] }
  expect(differing(service({ unit: 'cron.service' }, { ...silent, kind: 'systemd', state: 'unknown' }))).toEqual([])
  expect(differing(service({ image: 'whoami:2' }, { state: 'stale' }))).toEqual([])
})

it('what is suspended should not run', () => {
  const stopped = { ...container, state: 'exited' } as Container
  expect(differing(service({ suspended: true }, { containers: [stopped] }))).toEqual([])
  expect(differing(service({ suspended: true }))).toEqual(['state'])
  const unit = { name: 'a.service', active: 'inactive' } as ServiceDetail['units'][number]
  expect(differing(service({ suspended: true, unit: 'a.service' }, { kind: 'systemd', containers: [], units: [unit] }))).toEqual([])
})

it('JSON reads as the YAML it came from', () => {
  expect(yaml({ kind: 'container', command: ['serve', '--port', '80'], checks: [{ http: { url: 'http://x/', status: 200 } }], restart: 'no' })).toBe(
    '\nkind: container\ncommand: [serve, "--port", "80"]\nchecks:\n  - http:\n      url: http://x/\n      status: 200\nrestart: "no"',
  )
})
