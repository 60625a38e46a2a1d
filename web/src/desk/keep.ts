/** What must survive a reload: kept in this tab's storage, and gone with it. */

const PREFIX = 'desk:';

export function kept<T>(name: string, otherwise: T): T {
  try {
    const text = sessionStorage.getItem(PREFIX + name);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise;
  }
}

/** Keeps a value; an empty one is forgotten. */
export function keep(name: string, value: unknown): void {
  const empty = value === null || value === '' || (Array.isArray(value) && value.length === 0);
  try {
    if (empty) sessionStorage.removeItem(PREFIX + name);
    else sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // A full or forbidden storage: the text stays on the screen.
  }
}

/** What a clerk typed and did not send must not be read by the next one on this machine. */
export function forgetAll(): void {
  for (const name of Object.keys(sessionStorage)) if (name.startsWith(PREFIX)) sessionStorage.removeItem(name);
}
