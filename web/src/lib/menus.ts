/** Every open `<details class="languages">` closes on Escape and when something else is touched. */
export function closingMenus(): void {
  const close = (keep: Node | null): void => {
    for (const menu of document.querySelectorAll<HTMLDetailsElement>('details.languages[open]'))
      if (!keep || !menu.contains(keep)) menu.open = false;
  };
  document.addEventListener('pointerdown', (event) => close(event.target as Node));
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    const open = document.querySelector<HTMLElement>('details.languages[open] summary');
    close(null);
    open?.focus();
  });
}
