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

/** The server's form of a service, in the shape of the files: a container's definition beside its name, checks by kind. */
export function written(desired: unknown): Fields {
  const { definition, checks, monitor, suspended, needs, patience, ...rest } = (desired ?? {}) as Fields
  const out: Fields = { ...rest, ...(definition as Fields | undefined) }
  if (typeof out.mem_limit === 'number') out.mem_limit = size(out.mem_limit)
  if (Array.isArray(needs) && needs.length > 0) out.needs = needs
  if (monitor === false) out.monitor = false
  if (suspended === true) out.suspended = true
  const { failures, time } = (patience ?? {}) as { failures?: number; time?: number }
  // Three failures are the rule: it need not be written.
  if (failures !== undefined && (failures !== 3 || time)) out.patience = timed({ failures, ...(time ? { time } : {}) })
  if (Array.isArray(checks) && checks.length > 0) out.checks = checks.map((check) => checkWritten(check as Fields))
  return out
}

function checkWritten({ name, probe, every, timeout, ...rest }: Fields): Fields {
  const kind = Object.keys((probe ?? {}) as Fields)[0]
  const own = name && name !== kind ? { name } : {}
  return { ...own, ...(probe as Fields | undefined), ...timed({ every, timeout }), ...rest }
}

/** The server counts spans in milliseconds, people write `10s`. */
function timed(fields: Fields): Fields {
  const one = (value: unknown) => (typeof value !== 'number' || value < 1000 ? value : value % 60_000 === 0 ? `${value / 60_000}m` : `${value / 1000}s`)
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, one(value)]))
}

/** Bytes as Compose writes them, where they are a whole number of its units. */
function size(value: number): string | number {
  const unit = Object.entries(FACTORS).findLast(([, factor]) => value > 0 && value % factor === 0)
  return unit && unit[0] !== 'b' ? `${value / unit[1]}${unit[0]}` : value
}

export function compare(service: ServiceDetail): Row[] {
  const desired = written(service.desired)
  const rows: Row[] = []
  const row = (key: string, want: unknown, got: string | null, same: (want: string, got: string) => boolean = equal) => {
    const wanted = text(want)
    if (wanted === null && got === null) return
    rows.push({ key, desired: wanted, actual: got, differs: wanted !== null && (got === null || !same(wanted, got)) })
  }
  const told = (key: string, want: unknown) => {
    const wanted = text(want)
    if (wanted !== null) rows.push({ key, desired: wanted, actual: null, differs: false })
  }
  const container = service.containers.length === 1 ? service.containers[0] : undefined
  const unit = service.units.length === 1 ? service.units[0] : undefined
  // What runs elsewhere is judged by its checks alone.
  const well = service.kind === 'systemd' ? 'active' : service.kind === 'external' ? 'healthy' : 'running'
  const runs = desired.suspended === true ? 'stopped' : well
  row('state', service.monitored && service.desired ? runs : null, actualState(service), sameState)
  if (desired.container !== undefined || service.kind === 'container') row('container', desired.container, container?.name ?? null)
  if (container) {
    row('image', desired.image, container.image, sameImage)
    row('memory limit', limit(desired.mem_limit), container.memory_limit > 0 ? bytes(container.memory_limit) : 'none')
    row('restart policy', desired.restart, container.restart_policy || 'no')
    row('ports', desired.ports, container.ports.join(', ') || 'none', samePorts)
  } else if (desired.image !== undefined) row('image', desired.image, null)
  if (service.kind === 'compose') {
    told('path', desired.path)
    row('containers', null, service.containers.map((one) => one.name).join(', ') || null)
  }
  if (desired.unit !== undefined || unit) {
    row('unit', desired.unit, unit?.name ?? null)
    if (unit) row('enabled', null, unit.enabled)
  }
  told('process', desired.process)
  // What is not known now differs from nothing.
  return ['unknown', 'stale'].includes(service.state) ? rows.map((one) => ({ ...one, differs: false })) : rows
}

/** Stopped has many words. */
const sameState = (want: string, got: string) => (want === 'stopped' ? !/\b(running|active)\b/.test(got) : want === got)

function actualState(service: ServiceDetail): string | null {
  const states = [...service.containers.map((one) => one.state), ...service.units.map((one) => one.active)]
  if (states.length === 0) return service.state === 'missing' ? 'absent' : service.kind === 'process' && service.state === 'healthy' ? 'running' : service.kind === 'external' ? service.state : null
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
