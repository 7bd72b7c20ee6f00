/** Desired beside actual, row by row. Pure: it judges nothing the server has not, it only lines things up. */
import type { ServiceDetail } from '../api/generated'
import { bytes } from '../format/number'

export interface Row {
  key: string
  desired: string | null
  actual: string | null
  differs: boolean
}

type Fields = Record<string, unknown>

export function compare(service: ServiceDetail): Row[] {
  const desired = (service.desired ?? {}) as Fields
  const rows: Row[] = []
  const row = (key: string, want: unknown, got: string | null, same: (want: string, got: string) => boolean = equal) => {
    const wanted = text(want)
    if (wanted === null && got === null) return
    rows.push({ key, desired: wanted, actual: got, differs: wanted !== null && (got === null || !same(wanted, got)) })
  }
  const container = service.containers.length === 1 ? service.containers[0] : undefined
  const unit = service.units.length === 1 ? service.units[0] : undefined
  const runs = service.kind === 'systemd' ? 'active' : 'running'
  row('state', service.monitored ? runs : null, actualState(service))
  if (desired.container !== undefined || service.kind === 'container') row('container', desired.container ?? service.name, container?.name ?? null)
  if (container) {
    row('image', desired.image, container.image, sameImage)
    row('memory limit', limit(desired.mem_limit), container.memory_limit > 0 ? bytes(container.memory_limit) : 'none')
    row('restart policy', desired.restart, container.restart_policy || 'no')
    row('ports', desired.ports, container.ports.join(', ') || 'none', samePorts)
  } else if (desired.image !== undefined) row('image', desired.image, null)
  if (service.kind === 'compose') {
    row('path', desired.path, null, () => true)
    row('containers', null, service.containers.map((one) => one.name).join(', ') || null)
    const path = rows.find((one) => one.key === 'path')
    if (path) path.differs = false
  }
  if (desired.unit !== undefined || unit) {
    row('unit', desired.unit, unit?.name ?? null)
    if (unit) row('enabled', null, unit.enabled)
  }
  return rows
}

function actualState(service: ServiceDetail): string | null {
  const states = [...service.containers.map((one) => one.state), ...service.units.map((one) => one.active)]
  if (states.length === 0) return service.state === 'missing' ? 'absent' : null
  const distinct = [...new Set(states)]
  return distinct.length === 1 ? distinct[0]! : distinct.map((state) => `${states.filter((s) => s === state).length} ${state}`).join(', ')
}

function text(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return value.map((one) => text(one) ?? '').join(', ')
  if (typeof value === 'object') return JSON.stringify(value)
  return String(value)
}

const equal = (want: string, got: string) => want === got

/** `whoami` and `whoami:latest` are one image. */
function sameImage(want: string, got: string): boolean {
  const full = (image: string) => (/[:@][^/]*$/.test(image) ? image : `${image}:latest`).replace(/^docker\.io\/(library\/)?/, '')
  return full(want) === full(got)
}

/** Files write `8080:80`; engines answer `0.0.0.0:8080->80/tcp`. */
function samePorts(want: string, got: string): boolean {
  const pairs = (ports: string) =>
    ports
      .split(', ')
      .map((port) => port.replace('->', ':').replace(/\/tcp$/, '').split(':').slice(-2).join(':'))
      .sort()
  const has = new Set(pairs(got))
  return pairs(want).every((pair) => has.has(pair))
}

const FACTORS: Record<string, number> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** Compose's sizes (`64m`, a number of bytes) as people read them. */
function limit(value: unknown): string | null {
  if (typeof value === 'number') return value > 0 ? bytes(value) : 'none'
  if (typeof value !== 'string') return null
  const [, number, unit] = /^([\d.]+)\s*([bkmg])?b?$/i.exec(value.trim()) ?? []
  return number ? bytes(Number(number) * (FACTORS[(unit ?? 'b').toLowerCase()] ?? 1)) : value
}

/** JSON as the YAML people wrote it: enough for what fleet files hold. */
export function yaml(value: unknown, indent = 0): string {
  const pad = '  '.repeat(indent)
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    if (value.every((one) => typeof one !== 'object' || one === null)) return `[${value.map(scalar).join(', ')}]`
    return value.map((one) => `\n${pad}- ${yaml(one, indent + 1).trimStart()}`).join('')
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, one]) => one !== null && one !== undefined)
    if (entries.length === 0) return '{}'
    return entries
      .map(([key, one]) => {
        const inner = yaml(one, indent + 1)
        return `\n${pad}${key}:${inner.startsWith('\n') ? inner : ` ${inner}`}`
      })
      .join('')
  }
  return scalar(value)
}

function scalar(value: unknown): string {
  if (typeof value !== 'string') return String(value)
  return value === '' || /^[\s\-?:,[\]{}#&*!|>'"%@`]|: |\s#|^(true|false|null|yes|no|~|[\d.]+)$/i.test(value) ? JSON.stringify(value) : value
}
