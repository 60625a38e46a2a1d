/** The chat's state: the thread as the server has it, what is still on its way, and how things stand. */
import { ApiError, api, newId } from '../lib/api';
import { language, nameOf, t } from '../lib/i18n';
import { Live, type Frame } from '../lib/live';
import * as unsent from './unsent';

export interface Choice {
  id: string;
  label: string;
}

export interface Message {
  id: string;
  author: 'citizen' | 'bot' | 'clerk' | 'system';
  name: string | null;
  client_id: string | null;
  text: string;
  choices: Choice[];
  links: { label: string; url: string }[];
  attachments: { name: string; url: string }[];
  at: string;
  lang: string;
  dir: 'ltr' | 'rtl' | 'auto';
}

export interface Outgoing extends unsent.Unsent {
  state: 'sending' | 'sent' | 'failed';
  /** Why it failed, for the person. */
  reason?: string;
}

export interface Place {
  position: number;
  minutes: number;
}

const TYPING_LASTS = 7000;
const TYPING_EVERY = 3000;
const RETRY_AFTER = 3000;

export class Chat {
  messages = $state<Message[]>([]);
  outgoing = $state<Outgoing[]>([]);
  connected = $state(false);
  /** The first batch of the thread is here; what comes from now on is news. */
  current = $state(false);
  /** Set once a lost connection is worth a word. */
  troubled = $state(false);
  place = $state<Place | null>(null);
  clerk = $state<string | null>(null);
  /** The page of the video talk, while the person waits for it or is in it. */
  call = $state<string | null>(null);
  typing = $state<string | null>(null);

  #live: Live | null = null;
  #sending = false;
  #typingEnds: ReturnType<typeof setTimeout> | undefined;
  #trouble: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #toldTypingAt = 0;
  #starting: Promise<void> | null = null;

  constructor(known: boolean) {
    this.outgoing = unsent.waiting().map((message) => ({ ...message, state: 'sending' as const }));
    addEventListener('online', () => void this.#flush());
    if (known) this.#follow();
    else void this.#begin();
    this.#tellLanguage(known);
  }

  /** Who chooses another language for the page wants to be answered in it, too. */
  #tellLanguage(known: boolean): void {
    const before = unsent.shownIn.get();
    unsent.shownIn.set(language);
    if (known && before && before !== language) this.choose({ id: `language:${language}`, label: nameOf(language) });
  }

  /** The language the assistant has come to speak, where the page is in another one. */
  get otherLanguage(): string | null {
    const last = this.messages.findLast((message) => message.author === 'bot');
    return last && last.lang !== language ? last.lang : null;
  }

  /** Choices of the latest message, unless the person has answered since. */
  get choices(): Choice[] {
    const last = this.messages.at(-1);
    return last && last.author !== 'citizen' && this.outgoing.length === 0 ? last.choices : [];
  }

  say(text: string): void {
    this.#post({ id: newId(), kind: 'text', text, at: new Date().toISOString() });
  }

  choose(choice: Choice): void {
    const at = new Date().toISOString();
    this.#post({ id: newId(), kind: 'choice', text: choice.label, choice: choice.id, at });
  }

  again(message: Outgoing): void {
    message.state = 'sending';
    delete message.reason;
    void this.#flush();
  }

  drop(message: Outgoing): void {
    unsent.forget(message.id);
    this.outgoing = this.outgoing.filter((one) => one.id !== message.id);
  }

  tellTyping(): void {
    if (Date.now() - this.#toldTypingAt < TYPING_EVERY) return;
    if (this.#live?.send({ kind: 'typing' })) this.#toldTypingAt = Date.now();
  }

  #post(message: unsent.Unsent): void {
    unsent.keep(message);
    this.outgoing.push({ ...message, state: 'sending' });
    void this.#flush();
  }

  /** One message after the other, in order; each is asked for until the server has it. */
  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    clearTimeout(this.#retry);
    try {
      await this.#starting; // without a thread there is nowhere to put a message yet
      for (let next = this.#nextToSend(); next; next = this.#nextToSend()) await this.#send(next);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#retry = setTimeout(() => void this.#flush(), RETRY_AFTER);
      this.#worry();
    } finally {
      this.#sending = false;
    }
  }

  #nextToSend(): Outgoing | undefined {
    return this.outgoing.find((message) => message.state === 'sending');
  }

  /** Throws when it is worth another try later. */
  async #send(message: Outgoing): Promise<void> {
    const { id, kind, text, choice } = message;
    try {
      await api('/chat/messages', { method: 'POST', body: { id, kind, text, choice } });
      message.state = 'sent';
      if (this.connected) this.#calm();
      else this.#live?.hurry();
      unsent.forget(id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) await this.#begin();
      else if (error.passing) throw error;
      else {
        message.state = 'failed';
        message.reason = error.message;
      }
    }
  }

  /** Makes sure that there is a thread, then listens to it. */
  #begin(): Promise<void> {
    this.#starting ??= this.#start().finally(() => (this.#starting = null));
    return this.#starting;
  }

  async #start(): Promise<void> {
    for (;;) {
      try {
        await api('/chat/start', { method: 'POST', body: { language } });
        break;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.#worry();
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER));
      }
    }
    this.#live?.close();
    this.messages = [];
    this.#follow();
  }

  #follow(): void {
    this.#live = new Live({
      path: '/chat/live',
      onframe: (frame) => this.#take(frame),
      onstate: (connected) => this.#connection(connected),
      onrefused: () => void this.#begin(),
    });
  }

  #connection(connected: boolean): void {
    this.connected = connected;
    if (connected) {
      this.#calm();
      void this.#flush();
    } else this.#worry();
  }

  #calm(): void {
    clearTimeout(this.#trouble);
    this.#trouble = undefined;
    this.troubled = false;
  }

  /** A short loss heals without a word. */
  #worry(): void {
    this.#trouble ??= setTimeout(() => {
      this.troubled = true;
    }, 1500);
  }

  #take(frame: Frame): void {
    if (frame.kind === 'message') this.#show(frame as unknown as Message);
    else if (frame.kind === 'case') this.#stand({ clerk: frame['clerk'] as string | null }, frame);
    else if (frame.kind === 'queue') this.#stand({ place: placeOf(frame) }, frame);
    else if (frame.kind === 'typing') this.#typing(frame['author'] as string);
    else if (frame.kind === 'current') this.current = true;
  }

  #stand(news: { clerk?: string | null; place?: Place | null }, frame: Frame): void {
    Object.assign(this, news);
    const call = frame['call'] as string | null;
    if (call) this.call = call;
    else if (!this.place && !this.clerk) this.call = null;
  }

  #show(message: Message): void {
    if (message.author === 'citizen') this.#arrived(message.client_id);
    else this.#typing(null);
    this.messages.push(message);
  }

  #arrived(clientId: string | null): void {
    if (!clientId) return;
    unsent.forget(clientId);
    this.outgoing = this.outgoing.filter((message) => message.id !== clientId);
  }

  #typing(author: string | null): void {
    clearTimeout(this.#typingEnds);
    this.typing = author && (author === 'clerk' && this.clerk ? this.clerk : t('chat.assistant'));
    if (author) this.#typingEnds = setTimeout(() => (this.typing = null), TYPING_LASTS);
  }
}

function placeOf(frame: Frame): Place | null {
  const { position, minutes } = frame as unknown as { position: number | null; minutes: number | null };
  return position === null ? null : { position, minutes: minutes ?? 0 };
}
