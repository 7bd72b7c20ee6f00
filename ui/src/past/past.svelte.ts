/**
 * The instant that is looked at: null is now. It is the truth; the address mirrors it, so that it can be shared and the
 * back button undoes it.
 */
class Past {
  /** RFC 3339, or null while the present is looked at. */
  at = $state<string | null>(readAddress())
  /** The bar is open. */
  open = $state(false)

  get on(): boolean {
    return this.at !== null
  }
  get date(): Date | null {
    return this.at === null ? null : new Date(this.at)
  }
}

/** What the address asks for; a text that is no instant is the server's to refuse. */
function readAddress(): string | null {
  return new URLSearchParams(location.search).get('at') || null
}

export const past = new Past()
if (past.on) past.open = true

addEventListener('popstate', () => {
  past.at = readAddress()
  if (past.on) past.open = true
})

/** Why a button that changes something is off. */
export const READ_ONLY = 'You are looking at the past: nothing can be changed there. Go back to now first.'

/** Questions about the server itself or about the present by their meaning: they never carry an instant. */
const PRESENT = /^\/api\/v1\/(session|version|past|feed|messages|channels)(\/|$|\?)/

/** A request as it goes out: about the instant that is looked at. */
export function withInstant(request: Request): Request {
  if (past.at === null || request.headers.has('stead-now')) return request
  const url = new URL(request.url, location.origin)
  if (!url.pathname.startsWith('/api/v1/') || PRESENT.test(url.pathname)) return request
  url.searchParams.set('at', past.at)
  // What was done since somebody last looked, in the present, says nothing about then.
  if (url.pathname === '/api/v1/overview') url.searchParams.delete('since')
  return new Request(url, request)
}
