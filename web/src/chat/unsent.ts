/** What was written but not yet acknowledged, one entry a message, so that two tabs never overwrite each other. */

export interface Unsent {
  id: string;
  kind: 'text' | 'choice';
  text: string;
  choice?: string;
  at: string;
}

const PREFIX = 'foyer.unsent.';

export function keep(message: Unsent): void {
  attempt(() => localStorage.setItem(PREFIX + message.id, JSON.stringify(message)));
}

export function forget(id: string): void {
  attempt(() => localStorage.removeItem(PREFIX + id));
}

/** All that waits, oldest first. */
export function waiting(): Unsent[] {
  const found: Unsent[] = [];
  attempt(() => {
    for (let i = 0; i < localStorage.length; i += 1) {
      const key = localStorage.key(i);
      const value = key?.startsWith(PREFIX) && localStorage.getItem(key);
      if (value) found.push(JSON.parse(value) as Unsent);
    }
  });
  return found.sort((a, b) => a.at.localeCompare(b.at));
}

export const draft = {
  get: (): string => attempt(() => localStorage.getItem('foyer.draft')) ?? '',
  set: (text: string): void => {
    attempt(() => (text ? localStorage.setItem('foyer.draft', text) : localStorage.removeItem('foyer.draft')));
  },
};

/** The language in which the page was last shown, to notice when the person chose another one. */
export const shownIn = {
  get: (): string | null => attempt(() => localStorage.getItem('foyer.language')) ?? null,
  set: (code: string): void => attempt(() => localStorage.setItem('foyer.language', code)),
};

/** Storage may be switched off or full; then a message lives as long as the page. */
function attempt<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}
