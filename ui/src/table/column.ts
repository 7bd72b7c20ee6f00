/** A column: what it holds, how it sorts, and from which width on it is shown. */
export interface Column<T> {
  id: string
  title: string
  /** For filter and CSV, and for sorting where `sort` does not say otherwise. */
  value: (row: T) => string | number | null
  sort?: (row: T) => string | number | null
  from?: 'md' | 'lg' | 'xl' | '2xl'
  /** Numbers stand right. */
  end?: boolean
}
