import './desk.css';
import '../call/call.css';
import { mount } from 'svelte';
import { loadTexts } from '../lib/i18n';
import { closingMenus } from '../lib/menus';
import App from './App.svelte';
import { resumeSound } from './chime';
import { Desk, forgetOnSignOut } from './desk.svelte';

closingMenus();
forgetOnSignOut();
for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, resumeSound, { once: true });

const target = document.getElementById('desk');
if (target) {
  await loadTexts();
  target.replaceChildren();
  mount(App, { target, props: { desk: new Desk() } });
}
