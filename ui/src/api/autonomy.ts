/** Questions and commands about what Stead may do by itself: policy, locks, the brake, messages, rolling work, drills. */
import { queryOptions } from '@tanstack/svelte-query'
import * as sdk from './generated'
import { take } from './queries'

type Signal = { signal: AbortSignal }

export const policy = () => queryOptions({ queryKey: ['policy'], queryFn: ({ signal }: Signal) => take(sdk.getPolicy({ signal })) })

export const locks = () => queryOptions({ queryKey: ['locks'], queryFn: ({ signal }: Signal) => take(sdk.listLocks({ signal })) })

export const brake = () => queryOptions({ queryKey: ['brake'], queryFn: ({ signal }: Signal) => take(sdk.getBrake({ signal })) })

export const alerts = () => queryOptions({ queryKey: ['alerts'], queryFn: ({ signal }: Signal) => take(sdk.listAlerts({ signal })) })

export const messages = () => queryOptions({ queryKey: ['messages'], queryFn: ({ signal }: Signal) => take(sdk.listMessages({ signal })) })

export const channels = () => queryOptions({ queryKey: ['channels'], queryFn: ({ signal }: Signal) => take(sdk.listChannels({ signal })) })

export const rollouts = () => queryOptions({ queryKey: ['rollouts'], queryFn: ({ signal }: Signal) => take(sdk.listRollouts({ signal })) })

export const rollout = (id: string) =>
  queryOptions({ queryKey: ['rollouts', id], queryFn: ({ signal }: Signal) => take(sdk.getRollout({ path: { id }, signal })) })

export const drills = () => queryOptions({ queryKey: ['drills'], queryFn: ({ signal }: Signal) => take(sdk.listDrills({ signal })) })

/** Why something is as it is, and why nothing happens to it: an action's ID or a subject. */
export const whyOf = (about: string) =>
  queryOptions({ queryKey: ['why-of', about], queryFn: ({ signal }: Signal) => take(sdk.getReasons({ path: { about }, signal })) })

export const lock = (body: sdk.NewLock) => take(sdk.takeLock({ body }))

export const unlock = (target: string, kind: string) => take(sdk.releaseLock({ path: { target }, query: { lock: kind } }))

export const releaseBrake = () => take(sdk.releaseBrake())

export const testChannel = (name: string) => take(sdk.testChannel({ path: { channel: name } }))

export const roll = (body: sdk.NewRollout) => take(sdk.startRollout({ body }))

export const pauseRollout = (id: string) => take(sdk.pauseRollout({ path: { id } }))

export const resumeRollout = (id: string) => take(sdk.resumeRollout({ path: { id } }))

export const cancelRollout = (id: string) => take(sdk.cancelRollout({ path: { id } }))

export const startDrill = () => take(sdk.startDrill())
