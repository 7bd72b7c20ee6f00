/** What the keys do to the page: rows and buttons say by attribute what they are, so that no page handles keys itself. */
import type { Command } from './keys'

const PATHS = {
  overview: '/',
  nodes: '/nodes',
  services: '/services',
  containers: '/containers',
  actions: '/actions',
  events: '/events',
  autonomy: '/autonomy',
  about: '/about',
  tv: '/tv',
} as const

type Go = (path: (typeof PATHS)[keyof typeof PATHS]) => unknown

export function command(what: Command, navigate: Go): void {
  if (what in PATHS) void navigate(PATHS[what as keyof typeof PATHS])
  else if (what === 'next') step(1)
  else if (what === 'previous') step(-1)
  else if (what === 'approve' || what === 'reject') decide(what)
  else if (what === 'search') document.querySelector<HTMLInputElement>('main [data-filter]')?.focus()
}

/** Enter on a chosen row opens it. */
export function rowKeys(event: KeyboardEvent): void {
  if (event.key !== 'Enter' || !(event.target instanceof HTMLElement) || !event.target.matches('[data-row]')) return
  const link = event.target.querySelector<HTMLElement>('[data-open]') ?? event.target.querySelector<HTMLElement>('a')
  if (!link) return
  event.preventDefault()
  link.click()
}

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('main [data-row]')].filter((row) => row.offsetParent !== null)
}

function step(by: 1 | -1): void {
  const all = rows()
  if (all.length === 0) return
  const at = all.findIndex((row) => row.contains(document.activeElement))
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))
  all[next]?.focus({ preventScroll: true })
  all[next]?.scrollIntoView({ block: 'nearest' })
}

/**
 * The row with the focus decides; without one, the page's own action does. In a list where nothing is chosen the first
 * press only chooses: nobody approves what they did not look at.
 */
function decide(what: 'approve' | 'reject'): void {
  const selector = `[data-decide=${what}]:not(:disabled)`
  const own = document.querySelector<HTMLElement>(`main [data-page-action] ${selector}`)
  const row = rows().find((one) => one.contains(document.activeElement))
  const button = row?.querySelector<HTMLElement>(selector) ?? own
  if (button) button.click()
  else rows().find((one) => one.querySelector(selector))?.focus()
}
