/** How well a palette entry answers what was typed. Pure. */

/** 0: not at all. The name counts most, then what belongs to it; letters in order (`z2m` for `zigbee2mqtt`) count least. */
export function rank(value: string, typed: string, keywords: string[] = []): number {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return 1
  const [name = '', ...rest] = keywords.map((word) => word.toLowerCase())
  let score = 1
  for (const word of words) score = Math.min(score, one(word, name, rest))
  // What is over comes after what is.
  return value.startsWith('closed ') ? score * 0.4 : score
}

function one(word: string, name: string, rest: string[]): number {
  if (name === word) return 1
  if (name.startsWith(word)) return 0.9
  if (name.split(/[\s\-_./]+/).some((part) => part.startsWith(word))) return 0.8
  if (name.includes(word)) return 0.7
  if (rest.some((text) => text.startsWith(word))) return 0.5
  if (rest.some((text) => text.includes(word))) return 0.4
  return inOrder(word, name) ? 0.2 : 0
}

function inOrder(letters: string, text: string): boolean {
  let at = -1
  for (const letter of letters) {
    at = text.indexOf(letter, at + 1)
    if (at < 0) return false
  }
  return true
}
