/** Short answers to what the reader just did. At most three; those that need reading stay. */
import { asProblem } from '../api/problem'

export interface Toast {
  id: number
  tone: 'done' | 'failed'
  title: string
  text?: string
  link?: { href: string; text: string }
}

const MOST = 3
let next = 1

export const toasts = $state<{ list: Toast[] }>({ list: [] })

export function toast(what: Omit<Toast, 'id'>): void {
  const id = next++
  toasts.list = [...toasts.list.slice(-(MOST - 1)), { ...what, id }]
  setTimeout(() => dismiss(id), what.tone === 'failed' ? 15_000 : 6000)
}

export function toastProblem(title: string, error: unknown): void {
  const problem = asProblem(error)
  toast({ tone: 'failed', title, text: [problem.detail, problem.remedy].filter(Boolean).join(' ') })
}

export function dismiss(id: number): void {
  toasts.list = toasts.list.filter((one) => one.id !== id)
}
