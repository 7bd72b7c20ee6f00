/** Sorting and filtering of rows. Pure. */

/** From here on only what is seen is drawn. */
export const VIRTUAL_FROM = 200

type Value = string | number | null

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

/** Numbers by size, texts as people order them (`node-2` before `node-10`), what is not known last. */
export function compareValues(a: Value, b: Value): number {
  if (a === b) return 0
  if (a === null || a === '') return b === null || b === '' ? 0 : 1
  if (b === null || b === '') return -1
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return collator.compare(String(a), String(b))
}

/** Every word has to be found somewhere in the row. */
export function matchesText(values: Value[], wanted: string): boolean {
  const row = values.filter((value) => value !== null).join(' ').toLowerCase()
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => row.includes(word))
}
