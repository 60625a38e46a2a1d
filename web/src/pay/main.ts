/** What the pay page can do with a script: copy, see for itself that it is out of date. Without one it works, too. */
import './pay.css';

const LOOK_EVERY = 4000;

for (const value of document.querySelectorAll<HTMLElement>('[data-copy]')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'pay__copy';
  button.textContent = value.dataset['copyLabel'] ?? '';
  const row = value.closest('.pay__row')?.querySelector('dt')?.textContent ?? '';
  button.setAttribute('aria-label', `${button.textContent}: ${row}`);
  button.addEventListener('click', () => void copy(value, button));
  value.after(' ', button);
}

async function copy(value: HTMLElement, button: HTMLButtonElement): Promise<void> {
  await navigator.clipboard.writeText(value.dataset['copy'] ?? '');
  button.textContent = value.dataset['copiedLabel'] ?? '';
  button.setAttribute('role', 'status');
}

const page = document.querySelector<HTMLElement>('[data-look]');
if (page) setInterval(() => void look(page), LOOK_EVERY);

/** Reads the page again when the fee has moved on: paid while it was open, or ready to be paid. */
async function look(shown: HTMLElement): Promise<void> {
  if (document.hidden) return;
  const answer = await fetch(shown.dataset['look'] ?? '').catch(() => null);
  if (!answer?.ok) return;
  const { state } = (await answer.json()) as { state: string };
  if (state !== shown.dataset['state']) location.reload();
}
