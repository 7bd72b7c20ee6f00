/** How much waits for a person, and the fleet's mood: the tab's title and icon tell it too. */
class Attention {
  count = $state(0)
  mood = $state<string>('unknown')
}

export const attention = new Attention()

export function favicon(mood: string): string {
  return mood === 'trouble' ? '/favicon-trouble.svg' : mood === 'attention' ? '/favicon-attention.svg' : '/favicon.svg'
}
