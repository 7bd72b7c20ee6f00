/** Brings a part of the page into view and hands it the keyboard. */

/** Where a part has no chart of its own yet, its panel stands for it. */
const INSTEAD = 'history'
/** What is still loading above it may push it away for so long. */
const FOLLOW_MS = 3000

let end = () => {}

export function reveal(part: string): void {
  end()
  const deadline = Date.now() + FOLLOW_MS
  const show = () => {
    const element = document.getElementById(part) ?? document.getElementById(INSTEAD)
    if (!element) return
    element.scrollIntoView({ block: 'start', behavior: 'instant' })
    // What stood there while it loaded had the keyboard and is gone.
    if (!element.hasAttribute('tabindex')) element.setAttribute('tabindex', '-1')
    element.focus({ preventScroll: true })
  }
  // The page grows while answers come in; whoever does something by hand is not pulled back.
  const grown = new ResizeObserver(() => (Date.now() < deadline ? show() : end()))
  const gone = new AbortController()
  end = () => {
    grown.disconnect()
    gone.abort()
  }
  for (const kind of ['wheel', 'touchmove', 'keydown', 'pointerdown']) addEventListener(kind, () => end(), { signal: gone.signal, passive: true })
  // After the router has changed the address and the page has drawn itself.
  requestAnimationFrame(() => {
    if (gone.signal.aborted) return
    show()
    grown.observe(document.body)
  })
}
