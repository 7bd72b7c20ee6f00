/** Sorting, filtering and cutting out of rows. Pure. */
import type { Column } from './column'

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

/** Rows in the order of a column. Rows that are equal in it stay as they were, whichever way round. */
export function sorted<T>(rows: readonly T[], column: Column<T> | undefined, descending: boolean): T[] {
  if (!column) return [...rows]
  // Each value is asked for once, not at each comparison: some are worked out.
  const value = column.sort ?? column.value
  const keyed = rows.map((row) => ({ row, by: value(row) }))
  const sign = descending ? -1 : 1
  return keyed.sort((a, b) => sign * compareValues(a.by, b.by)).map(({ row }) => row)
}

/** Rows in which the words are found. */
export function filtered<T>(rows: readonly T[], columns: readonly Column<T>[], wanted: string): readonly T[] {
  if (wanted.trim() === '') return rows
  return rows.filter((row) => matchesText(columns.map((column) => column.value(row)), wanted))
}

/**
 * Which rows to draw, as `[first, beyond the last]`, of so many of one height, when `seen` pixels show from `top` on; as many
 * as `spare` more at either end, so that scrolling does not outrun drawing.
 */
export function cut(count: number, row: number, top: number, seen: number, spare: number): [number, number] {
  const drawn = Math.ceil(seen / row) + 2 * spare
  // A list that has become shorter than where one had scrolled to is seen from its end.
  const first = Math.max(0, Math.min(Math.floor(top / row) - spare, count - drawn))
  return [first, Math.min(count, first + drawn)]
}

/** Every word has to be found somewhere in the row. */
export function matchesText(values: Value[], wanted: string): boolean {
  const row = values.filter((value) => value !== null).join(' ').toLowerCase()
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => row.includes(word))
}
