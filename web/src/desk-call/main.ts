import '../call/call.css';
import { mount } from 'svelte';
import Call from '../desk/Call.svelte';
import { loadTexts, t } from '../lib/i18n';

const target = document.getElementById('desk-call');
if (target) {
  await loadTexts();
  target.replaceChildren();
  mount(Call, { target, props: { caseId: target.dataset['case'] ?? '', person: t('desk.author_citizen'), alone: true } });
}
