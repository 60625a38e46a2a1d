/**
 * Drops what no page uses of a stylesheet from a package: rules whose `kern-` classes stand in no source
 * or template, then custom properties nobody reads, then font files of scripts we do not serve.
 * A class must therefore stand in full somewhere in the sources (`kern-alert--info`, not `kern-alert--${x}`).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOREIGN = /node_modules/;
const SCRIPTS = /-(latin|latin-ext|greek|cyrillic|vietnamese|arabic)-\d+-normal\.woff2/;
const FONT_FALSE_ARABIC = /noto-sans-arabic-(?!arabic-)/;

/** Every word of every source and template below the folders. */
function wordsOf(folders) {
  const words = new Set();
  for (const folder of folders)
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      if (/\.(html|svelte|ts|css)$/.test(name))
        for (const [word] of readFileSync(join(folder, name), 'utf8').matchAll(/[\w-]+/g)) words.add(word);
  return words;
}

const optional = (selector) => selector.replace(/:(not|is|where)\([^)]*\)/g, '');

function usedSelectors(rule, words) {
  return rule.selectors.filter((selector) =>
    [...optional(selector).matchAll(/\.(kern-[\w-]+)/g)].every(([, name]) => words.has(name)),
  );
}

function dropUnreadProperties(root, words) {
  for (let dropped = 1; dropped; ) {
    dropped = 0;
    const read = new Set();
    root.walkDecls((d) => {
      for (const [, name] of d.value.matchAll(/var\(\s*(--[\w-]+)/g)) read.add(name);
    });
    root.walkDecls(/^--kern-/, (d) => {
      if (!read.has(d.prop) && !words.has(d.prop)) {
        d.remove();
        dropped += 1;
      }
    });
  }
}

const isForeign = (node) => FOREIGN.test(node.source?.input.file ?? '');

/** One woff2 file a face; faces of other scripts go. */
function keepFace(face) {
  if (!isForeign(face)) return;
  const text = face.toString();
  if (!SCRIPTS.test(text) || FONT_FALSE_ARABIC.test(text)) face.remove();
  else face.walkDecls('src', (d) => (d.value = d.value.split(', ')[0]));
}

function keepRule(rule, words) {
  if (!isForeign(rule) || rule.parent?.name === 'keyframes') return;
  const kept = usedSelectors(rule, words);
  if (kept.length === 0) rule.remove();
  else rule.selectors = kept;
}

function dropEmpty(root) {
  const empty = [];
  root.walk((node) => {
    if (['rule', 'atrule'].includes(node.type) && node.nodes?.length === 0) empty.push(node);
  });
  for (const node of empty) node.remove();
  if (empty.length) dropEmpty(root);
}

export function onlyUsed(folders) {
  const words = wordsOf(folders);
  return {
    postcssPlugin: 'only-used',
    Once(root) {
      root.walkAtRules('font-face', (face) => keepFace(face));
      root.walkRules((rule) => keepRule(rule, words));
      dropUnreadProperties(root, words);
      dropEmpty(root);
    },
  };
}
