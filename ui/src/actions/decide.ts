/** Deciding about an action, and starting one: the request, its toast, and what is out of date afterwards. */
import type { Action } from '../api/generated'
import { asProblem } from '../api/problem'
import { approve, cancel, queryClient, reject, start } from '../api/queries'
import { actionPath } from '../format/subject'
import { actionKind, actionTitle } from '../format/words'
import { toast, toastProblem } from '../shell/toasts.svelte'

const TOUCHED = ['overview', 'actions', 'action', 'why', 'services', 'service', 'nodes', 'node', 'drift', 'models']

function refresh(): Promise<unknown> {
  return Promise.all(TOUCHED.map((key) => queryClient.invalidateQueries({ queryKey: [key] })))
}

/** Never optimistic: an approval cannot be taken back, so nothing is shown as approved before the server says so. */
export async function decide(what: 'approve' | 'reject', action: Action, note: string): Promise<boolean> {
  const title = actionTitle(action)
  try {
    await (what === 'approve' ? approve(action, note) : reject(action, note))
  } catch (error) {
    toastProblem(asProblem(error).code === 'plan-changed' ? 'The plan changed: read it again' : `Not ${what === 'approve' ? 'approved' : 'rejected'}: ${title}`, error)
    void refresh()
    return false
  }
  toast(
    what === 'approve'
      ? { tone: 'done', title: `Approved: ${title}`, text: 'It runs now and is verified afterwards.', link: { href: actionPath(action), text: 'Watch it' } }
      : { tone: 'done', title: `Rejected: ${title}`, text: 'It is not proposed again until the drift clears or its trigger changes.' },
  )
  void refresh()
  return true
}

/** Only before it has begun; afterwards the server refuses. */
export async function takeBack(action: Action): Promise<void> {
  try {
    await cancel(action)
    toast({ tone: 'done', title: `Cancelled: ${actionTitle(action)}` })
  } catch (error) {
    toastProblem(`Not cancelled: ${actionTitle(action)}`, error)
  }
  void refresh()
}

export async function begin(kind: string, subject: string, note: string): Promise<string | null> {
  try {
    const accepted = await start(kind, subject, note)
    const path = actionPath(accepted)
    toast({ tone: 'done', title: `Started: ${actionKind(kind)} ${subject.split('/').pop() ?? ''}`, link: { href: path, text: 'Watch it' } })
    void refresh()
    return path
  } catch (error) {
    toastProblem(`Not started: ${actionKind(kind)}`, error)
    return null
  }
}
