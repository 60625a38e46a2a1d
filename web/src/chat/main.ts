import { mount } from 'svelte';
import { loadTexts } from '../lib/i18n';
import { closingMenus } from '../lib/menus';
import App from './App.svelte';
import './chat.css';

closingMenus();

const target = document.getElementById('chat');
if (target) {
  await loadTexts();
  target.replaceChildren();
  mount(App, {
    target,
    props: { known: target.dataset['known'] === 'true', limit: Number(target.dataset['limit']) },
  });
}
