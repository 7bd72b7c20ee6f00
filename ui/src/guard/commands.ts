/** Locking, releasing, rolling: the request, its toast, and what is out of date afterwards. Nothing is shown as done before the server says so. */
import * as autonomy from '../api/autonomy'
import type { Lock, NewLock, NewRollout, RolloutPlan } from '../api/generated'
import { queryClient } from '../api/queries'
import { toast, toastProblem } from '../shell/toasts.svelte'

const TOUCHED = ['overview', 'locks', 'brake', 'alerts', 'messages', 'channels', 'rollouts', 'drills', 'policy', 'why-of', 'actions', 'action', 'services', 'service', 'nodes', 'node', 'drift']

function refresh(): void {
  for (const key of TOUCHED) void queryClient.invalidateQueries({ queryKey: [key] })
}

/** Runs one command; `done` is what the toast says. Returns the answer, or null where the server refused. */
async function attempt<T>(work: Promise<T>, failed: string, done: (answer: T) => Parameters<typeof toast>[0] | null): Promise<T | null> {
  try {
    const answer = await work
    const said = done(answer)
    if (said) toast(said)
    refresh()
    return answer
  } catch (error) {
    toastProblem(failed, error)
    refresh()
    return null
  }
}

const name = (subject: string) => (subject === 'fleet' ? 'the fleet' : subject.split('/').slice(1).join(' / '))

export const takeLock = (body: NewLock) =>
  attempt(autonomy.lock(body), `Not locked: ${name(body.target)}`, () => ({ tone: 'done', title: `Locked: ${name(body.target)}`, text: 'It ends by itself at its time.' }))

export const releaseLock = (lock: Pick<Lock, 'target' | 'lock'>) =>
  attempt(autonomy.unlock(lock.target, lock.lock), `Not released: ${name(lock.target)}`, () => ({ tone: 'done', title: `Released: ${name(lock.target)}` }))

export const letBrakeGo = () =>
  attempt(autonomy.releaseBrake(), 'The brake holds still', () => ({ tone: 'done', title: 'The brake is released', text: 'Automatic repair goes on. What drifts now does not engage it again.' }))

export const sendTest = (channel: string) =>
  attempt(autonomy.testChannel(channel), `No test was sent to ${channel}`, () => ({ tone: 'done', title: `A test message is on its way to ${channel}` }))

/** What a rollout would touch; nothing is begun. */
export const previewRollout = (body: NewRollout): Promise<RolloutPlan | null> => attempt(autonomy.roll({ ...body, dry_run: true }), 'That cannot be rolled out', () => null)

export const beginRollout = (body: NewRollout) =>
  attempt(autonomy.roll(body), 'The rollout was not begun', (plan) => ({
    tone: 'done',
    title: `Rolling over ${plan.targets.length} targets`,
    ...(plan.id ? { link: { href: `/rollouts/${encodeURIComponent(plan.id)}`, text: 'Watch it' } } : {}),
  }))

export const pauseRollout = (id: string) => attempt(autonomy.pauseRollout(id), 'Not paused', () => ({ tone: 'done', title: 'Paused', text: 'What works is brought to its end; nothing more is begun.' }))

export const resumeRollout = (id: string) => attempt(autonomy.resumeRollout(id), 'Not resumed', () => ({ tone: 'done', title: 'Resumed' }))

export const cancelRollout = (id: string) => attempt(autonomy.cancelRollout(id), 'Not cancelled', () => ({ tone: 'done', title: 'Cancelled', text: 'What works is brought to its end.' }))

export const beginDrill = () =>
  attempt(autonomy.startDrill(), 'The drill was not begun', (accepted) => ({
    tone: 'done',
    title: 'The canary is broken now',
    text: 'Stead has to notice, mend and say so in time.',
    link: { href: `/actions/${encodeURIComponent(accepted.id)}?occurrence=${accepted.occurrence}`, text: 'Watch it' },
  }))
