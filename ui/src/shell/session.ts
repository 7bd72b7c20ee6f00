/** Ending a session, on the server and here. */
import { signOut as end } from '../api/queries'
import { toastProblem } from './toasts.svelte'

export async function signOut(): Promise<void> {
  try {
    await end()
  } catch (error) {
    toastProblem('You are still signed in', error)
    return
  }
  // A real page load: nothing of the session stays in memory.
  location.replace('/login')
}
