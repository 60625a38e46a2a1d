import './call.css';
import { mount } from 'svelte';
import { loadTexts } from '../lib/i18n';
import { closingMenus } from '../lib/menus';
import App from './App.svelte';

closingMenus();

const target = document.getElementById('call');
if (target) {
  await loadTexts();
  target.replaceChildren();
  const { path, after, relay } = target.dataset;
  mount(App, { target, props: { path: path ?? '', after: Number(after), relay: relay === 'true' } });
}
