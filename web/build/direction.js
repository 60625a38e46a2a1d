/**
 * One stylesheet for both writing directions: physical properties become logical ones.
 * Transforms, gradients and arrows cannot be turned this way; src/styles/direction.css mirrors them by hand.
 */
const RENAMED = {
  left: 'inset-inline-start',
  right: 'inset-inline-end',
  'border-top-left-radius': 'border-start-start-radius',
  'border-top-right-radius': 'border-start-end-radius',
  'border-bottom-left-radius': 'border-end-start-radius',
  'border-bottom-right-radius': 'border-end-end-radius',
};
for (const box of ['margin', 'padding', 'border', 'scroll-margin', 'scroll-padding']) {
  RENAMED[`${box}-left`] = `${box}-inline-start`;
  RENAMED[`${box}-right`] = `${box}-inline-end`;
}
for (const part of ['width', 'style', 'color']) {
  RENAMED[`border-left-${part}`] = `border-inline-start-${part}`;
  RENAMED[`border-right-${part}`] = `border-inline-end-${part}`;
}
const VALUES = {
  'text-align': { left: 'start', right: 'end' },
  float: { left: 'inline-start', right: 'inline-end' },
  clear: { left: 'inline-start', right: 'inline-end' },
};
const CORNERS = ['start-start', 'start-end', 'end-end', 'end-start'];

/** Splits "1px calc(2px + 3px) var(--x, 4px)" at its outer spaces. */
function parts(value) {
  const found = [];
  let depth = 0;
  let word = '';
  for (const letter of value) {
    if (letter === '(') depth += 1;
    if (letter === ')') depth -= 1;
    if (depth === 0 && /\s/.test(letter)) {
      if (word) found.push(word);
      word = '';
    } else word += letter;
  }
  return word ? [...found, word] : found;
}

function splitBox(declaration) {
  const [top, right, bottom, left] = parts(declaration.value);
  if (left === undefined || left === right) return;
  const { prop } = declaration;
  declaration.cloneBefore({ prop: `${prop}-block`, value: `${top} ${bottom}` });
  declaration.cloneBefore({ prop: `${prop}-inline`, value: `${left} ${right}` });
  declaration.remove();
}

function splitCorners(declaration) {
  const [a, b = a, c = a, d = b] = parts(declaration.value);
  if (declaration.value.includes('/') || (a === b && c === d)) return;
  [a, b, c, d].forEach((value, i) => declaration.cloneBefore({ prop: `border-${CORNERS[i]}-radius`, value }));
  declaration.remove();
}

export function directionNeutral() {
  return {
    postcssPlugin: 'direction-neutral',
    Declaration(declaration) {
      const { prop, value } = declaration;
      if (prop in RENAMED) declaration.prop = RENAMED[prop];
      else if (VALUES[prop]?.[value]) declaration.value = VALUES[prop][value];
      else if (prop === 'margin' || prop === 'padding') splitBox(declaration);
      else if (prop === 'border-radius') splitCorners(declaration);
    },
  };
}
