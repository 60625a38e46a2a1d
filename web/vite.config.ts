import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { directionNeutral } from './build/direction.js';
import { onlyUsed } from './build/only-used.js';
import { packed } from './build/packed.js';

const here = import.meta.dirname;
const sources = resolve(here, 'src');

/** Every folder of src with a main.ts is an entry; a page names it by that path. */
const entries = readdirSync(sources)
  .map((name) => resolve(sources, name, 'main.ts'))
  .filter((file) => existsSync(file));

export default defineConfig({
  root: here,
  base: '/static/',
  plugins: [svelte(), packed(resolve(here, 'dist'))],
  css: {
    postcss: {
      plugins: [
        onlyUsed([sources, ...['../foundation', '../pages', '../bots'].map((room) => resolve(here, room))]),
        directionNeutral(),
      ],
    },
  },
  build: {
    outDir: resolve(here, 'dist'),
    emptyOutDir: true,
    manifest: 'manifest.json',
    target: ['chrome111', 'firefox115', 'safari16.4'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: [resolve(sources, 'styles/base.css'), ...entries] },
  },
});
