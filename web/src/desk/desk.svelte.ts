/** The state of one desk. The server is the truth: news say what to read again, nothing is kept only here but drafts. */
import { api, ApiError } from '../lib/api';
import { t } from '../lib/i18n';
import { Live, type Frame } from '../lib/live';
import { chime } from './chime';
import { forgetAll, keep, kept } from './keep';
import type { Case, Closing, OpenCase, Outcomes, Overview, Summary, Thread, Unsent } from './types';

const READ_AGAIN = 30_000;
const TYPING_SHOWN = 4000;
const TYPING_TOLD_EVERY = 2000;
const PAUSE_AFTER_FAILURE = 3000;

export class Desk {
  overview = $state.raw<Overview | null>(null);
  open = $state.raw<Case | null>(null);
  openId = $state<string | null>(kept('open', null));
  outcomes = $state.raw<Outcomes | null>(null);
  connected = $state(true);
  /** Something the clerk has to know; stays until dismissed. */
  problem = $state('');
  /** Something that went well; read out, and replaced by the next. */
  notice = $state('');
  typing = $state(false);
  /** What the person is typing beside the call, letter by letter. */
  draft = $state('');
  unsent = $state<Unsent[]>(kept('unsent', []));
  busy = $state(false);
  /** The server's clock, in milliseconds, moved on every half minute. */
  now = $state(Date.now());
  seen = $state<Record<string, string>>(kept('seen', {}));

  #live: Live | null = null;
  #ahead = 0;
  #overviewAsked = 0;
  #wanted: 'case' | 'thread' | null = null;
  #reading: Promise<void> | null = null;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #typingEnds: ReturnType<typeof setTimeout> | undefined;
  #typedAt = 0;
  #sending = false;
  #known: Set<string> | null = null;

  async start(): Promise<void> {
    await this.readOverview();
    if (this.openId) void this.readCase();
    void this.#flush();
    this.#live = new Live({
      path: '/desk/live',
      after: this.overview?.seq ?? 0,
      onframe: (frame) => this.#heard(frame),
      onstate: (connected) => this.#line(connected),
      onrefused: () => location.assign('/desk/sign-in'),
    });
    setInterval(() => this.#soonOverview(0), READ_AGAIN);
  }

  get mine(): boolean {
    return this.open?.holder?.me === true;
  }

  unread(one: OpenCase): boolean {
    if (one.case_id === this.openId || !one.last_from_person) return false;
    return one.last_from_person > (this.seen[one.case_id] ?? '');
  }

  // -- reading -------------------------------------------------------------------------------------

  async readOverview(): Promise<void> {
    const asked = ++this.#overviewAsked;
    try {
      const overview = await api<Overview>('/desk/api/overview');
      if (asked !== this.#overviewAsked) return;
      this.overview = overview;
      this.#ahead = Date.parse(overview.now) - Date.now();
      this.now = Date.now() + this.#ahead;
      this.#greetNewcomers(overview);
    } catch (error) {
      this.#failed(error);
      if (!this.overview && error instanceof ApiError && error.passing) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_FAILURE));
        return this.readOverview();
      }
    }
  }

  async show(caseId: string | null): Promise<void> {
    this.typing = false;
    if (caseId !== this.openId) this.open = null;
    this.openId = caseId;
    keep('open', caseId);
    this.#watch();
    if (caseId) await this.readCase();
  }

  /** Reads the open case again, or only its thread. One read at a time, so that no answer overtakes another. */
  readCase(what: 'case' | 'thread' = 'case'): Promise<void> {
    if (this.#wanted !== 'case') this.#wanted = what;
    this.#reading ??= this.#readWanted().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #readWanted(): Promise<void> {
    while (this.#wanted && this.openId) {
      const whole = this.#wanted === 'case' || !this.open;
      this.#wanted = null;
      await this.#readOnce(this.openId, whole);
    }
  }

  async #readOnce(id: string, whole: boolean): Promise<void> {
    const address = `/desk/api/cases/${id}`;
    try {
      const before = this.open;
      const found = whole || !before ? await api<Case>(address) : { ...before, ...(await api<Thread>(`${address}/thread`)) };
      if (id !== this.openId) return;
      this.#keepPlace(found);
      this.open = found;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 410)) void this.show(null);
      this.#failed(error);
    }
  }

  #keepPlace(thread: Thread): void {
    const last = thread.messages.findLast((message) => message.author === 'citizen');
    if (last && this.openId) {
      this.seen = { ...this.seen, [this.openId]: last.at };
      keep('seen', this.seen);
    }
    if (last && last.id !== this.open?.messages.findLast((message) => message.author === 'citizen')?.id) this.typing = false;
  }

  #greetNewcomers(overview: Overview): void {
    const waiting = new Set(overview.waiting.map((one) => one.id));
    const fresh = this.#known ? overview.waiting.filter((one) => !this.#known?.has(one.id)) : [];
    this.#known = waiting;
    if (fresh.length === 0) return;
    this.notice = fresh.map((one) => t('desk.new_waiting', { number: String(one.number) })).join(' ');
    chime();
  }

  // -- live ----------------------------------------------------------------------------------------

  #line(connected: boolean): void {
    this.connected = connected;
    if (!connected) return;
    this.#watch();
    this.#soonOverview(0);
    void this.#flush();
  }

  #watch(): void {
    if (this.openId) this.#live?.send({ kind: 'watch', case_id: this.openId });
  }

  #heard(frame: Frame): void {
    const here = frame['case_id'] === this.openId;
    if (frame.kind === 'typing') {
      if (here) this.#showTyping();
    } else if (frame.kind === 'thread') {
      if (here) void this.readCase('thread');
      else this.#soonOverview();
    } else {
      this.#soonOverview();
      if (frame.kind === 'case' && here) void this.readCase();
    }
  }

  #soonOverview(after = 120): void {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.readOverview(), after);
  }

  #showTyping(): void {
    this.typing = true;
    clearTimeout(this.#typingEnds);
    this.#typingEnds = setTimeout(() => (this.typing = false), TYPING_SHOWN);
  }

  tellTyping(): void {
    if (!this.mine || Date.now() - this.#typedAt < TYPING_TOLD_EVERY) return;
    this.#typedAt = Date.now();
    this.#live?.send({ kind: 'typing', case_id: this.openId });
  }

  // -- acting --------------------------------------------------------------------------------------

  async admit(waitingId: string): Promise<boolean> {
    return this.#act(async () => {
      const { case_id } = await api<{ case_id: string }>(`/desk/api/waiting/${waitingId}/admit`, { method: 'POST' });
      await this.show(case_id);
      this.notice = t('desk.admitted', { number: String(this.open?.number ?? '') });
    });
  }

  async takeOver(caseId: string): Promise<boolean> {
    return this.#act(async () => {
      await api(`/desk/api/cases/${caseId}/take-over`, { method: 'POST' });
      await this.show(caseId);
      this.notice = t('desk.admitted', { number: String(this.open?.number ?? '') });
    });
  }

  async handBack(found: Case): Promise<boolean> {
    return this.#act(async () => {
      await api(`/desk/api/cases/${found.case_id}/hand-back`, { method: 'POST' });
      this.notice = t('desk.handed_back', { number: String(found.number) });
      await this.show(null);
    });
  }

  async close(found: Case, closing: Closing): Promise<boolean> {
    return this.#act(async () => {
      await api<Summary>(`/desk/api/cases/${found.case_id}/close`, { method: 'POST', body: closing });
      keep(`draft ${found.case_id}`, null);
      keep(`closing ${found.case_id}`, null);
      this.notice = t('desk.closed', { number: String(found.number) });
      await this.readCase();
    });
  }

  preview(found: Case, closing: Closing): Promise<Summary> {
    return api<Summary>(`/desk/api/cases/${found.case_id}/summary`, { method: 'POST', body: closing });
  }

  async readOutcomes(): Promise<void> {
    this.outcomes ??= await api<Outcomes>('/desk/api/outcomes');
  }

  /** Takes the text at once, and sends it until the server has it. */
  say(found: Case, text: string): void {
    this.#queue([...this.unsent, { case_id: found.case_id, key: newKey(), text }]);
    void this.#flush();
  }

  #queue(unsent: Unsent[]): void {
    this.unsent = unsent;
    keep('unsent', unsent);
  }

  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (let next = this.unsent[0]; next; next = this.unsent[0]) if (!(await this.#sendOne(next))) break;
    this.#sending = false;
    if (this.unsent.length > 0) setTimeout(() => void this.#flush(), PAUSE_AFTER_FAILURE);
  }

  async #sendOne(message: Unsent): Promise<boolean> {
    try {
      const body = { key: message.key, text: message.text };
      await api(`/desk/api/cases/${message.case_id}/say`, { method: 'POST', body });
    } catch (error) {
      if (error instanceof ApiError && error.passing) return false;
      if (error instanceof ApiError && error.status === 401) return false;
      // Refused for good: the words go back to where they were typed.
      const draft = kept(`draft ${message.case_id}`, '');
      keep(`draft ${message.case_id}`, draft ? `${message.text}\n${draft}` : message.text);
      this.#failed(error);
      if (message.case_id === this.openId) void this.readCase();
    }
    this.#queue(this.unsent.filter((one) => one.key !== message.key));
    if (message.case_id === this.openId) void this.readCase('thread');
    return true;
  }

  async #act(step: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = '';
    try {
      await step();
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    } finally {
      this.busy = false;
      this.#soonOverview(0);
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401 || error.key === 'staff.password_change_needed') {
      location.assign('/desk');
      return;
    }
    this.problem = error.message || t('desk.no_connection');
  }
}

/** Random, and made where `crypto.randomUUID` is missing too: on a plain http address. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Before signing out: nothing of a citizen stays in this tab. */
export function forgetOnSignOut(): void {
  document.querySelector('form[action="/desk/sign-out"]')?.addEventListener('submit', forgetAll);
}
