declare module '*/direction.js' {
  import type { Plugin } from 'postcss';
  export function directionNeutral(): Plugin;
}
declare module '*/only-used.js' {
  import type { Plugin } from 'postcss';
  export function onlyUsed(folders: string[]): Plugin;
}
declare module '*/packed.js' {
  import type { Plugin } from 'vite';
  export function packed(folder: string): Plugin;
}
