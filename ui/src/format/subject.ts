/** Subjects (`service/NODE/NAME`) and the pages they have. */

export interface Subject {
  type: string
  node: string | null
  name: string
}

const WITH_NODE = new Set(['service', 'container', 'unit', 'job', 'instance', 'model'])

/** Names may hold slashes only in their last part. */
export function parseSubject(text: string): Subject {
  const [type = '', ...rest] = text.split('/')
  if (rest.length === 0) return { type: '', node: null, name: text }
  if (WITH_NODE.has(type) && rest.length > 1) return { type, node: rest[0] ?? null, name: rest.slice(1).join('/') }
  return { type, node: type === 'node' ? (rest[0] ?? null) : null, name: rest.join('/') }
}

const enc = encodeURIComponent

export const nodePath = (node: string) => `/nodes/${enc(node)}`
export const servicePath = (node: string, service: string) => `/services/${enc(node)}/${enc(service)}`
export const containerPath = (node: string, container: string) => `/containers/${enc(node)}/${enc(container)}`
/** The page of a node with the journal of one of its units. */
export const unitPath = (node: string, unit: string) => `${nodePath(node)}?tab=units&unit=${enc(unit)}`
export const eventPath = (seq: number) => `/events/${seq}`

/** The open occurrence has the short address; a closed one says which it was. */
export function actionPath(action: { id: string; occurrence: number }): string {
  return `/actions/${enc(action.id)}?occurrence=${action.occurrence}`
}

/** Where a subject is shown; null where it has no page of its own. */
export function subjectPath(text: string): string | null {
  const { type, node, name } = parseSubject(text)
  if (type === 'node' && name) return nodePath(name)
  if (!node || !name) return null
  if (type === 'service') return servicePath(node, name)
  if (type === 'container') return containerPath(node, name)
  if (type === 'model') return '/models'
  if (type === 'unit') return `${nodePath(node)}?tab=units&q=${enc(name)}`
  return null
}
