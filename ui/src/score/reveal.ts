/** Brings a part of the page into view and hands it the keyboard. */

/** Where a part has no chart of its own yet, its panel stands for it. */
const INSTEAD = 'history'
/** What is still loading above it may push it away for so long. */
const FOLLOW_MS = 3000

let end = () => {}

export function reveal(part: string): void {
  end()
  const deadline = Date.now() + FOLLOW_MS
  const show = (behavior: ScrollBehavior) => {
    const element = document.getElementById(part) ?? document.getElementById(INSTEAD)
    element?.scrollIntoView({ block: 'start', behavior })
    return element
  }
  // The page grows while answers come in; whoever scrolls by hand is not pulled back.
  const grown = new ResizeObserver(() => (Date.now() < deadline ? show('instant') : end()))
  const gone = new AbortController()
  end = () => {
    grown.disconnect()
    gone.abort()
  }
  for (const kind of ['wheel', 'touchmove', 'keydown', 'pointerdown']) addEventListener(kind, () => end(), { signal: gone.signal, passive: true })
  // After the router has changed the address and the page has drawn itself.
  requestAnimationFrame(() => {
    const element = show('instant')
    if (element && !element.hasAttribute('tabindex')) element.setAttribute('tabindex', '-1')
    element?.focus({ preventScroll: true })
    grown.observe(document.body)
  })
}
