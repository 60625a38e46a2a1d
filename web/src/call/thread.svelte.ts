/** The thread beside the call: the same one as in the messenger. What is typed is kept until the server has it. */
import { api, ApiError, newId } from '../lib/api';
import type { SentFile } from './uploads.svelte';

export interface Message {
  id: string;
  author: 'citizen' | 'bot' | 'clerk' | 'system';
  text: string;
  at: string;
  lang: string;
  dir: 'ltr' | 'rtl' | 'auto';
  links: { label: string; url: string }[];
  files: SentFile[];
}

interface Unsent {
  id: string;
  text: string;
}

const AGAIN = 2500;

export class Thread {
  messages = $state.raw<Message[]>([]);
  unsent = $state<Unsent[]>([]);
  problem = $state('');
  #reading = false;
  #stale = false;
  #sending = false;
  readonly #kept: string;

  constructor(private readonly path: string) {
    this.#kept = `foyer.call.${path}`;
    try {
      this.unsent = JSON.parse(sessionStorage.getItem(this.#kept) ?? '[]') as Unsent[];
    } catch {
      // A forbidden storage: then what is typed lives as long as the page.
    }
    void this.#flush();
  }

  async read(): Promise<void> {
    this.#stale = true;
    if (this.#reading) return;
    this.#reading = true;
    while (this.#stale) {
      this.#stale = false;
      try {
        this.messages = (await api<{ messages: Message[] }>(`${this.path}/thread`)).messages;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.passing) setTimeout(() => void this.read(), AGAIN);
      }
    }
    this.#reading = false;
  }

  say(text: string): void {
    this.#keep([...this.unsent, { id: newId(), text }]);
    void this.#flush();
  }

  #keep(unsent: Unsent[]): void {
    this.unsent = unsent;
    try {
      sessionStorage.setItem(this.#kept, JSON.stringify(unsent));
    } catch {
      // As above.
    }
  }

  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (let next = this.unsent[0]; next; next = this.unsent[0]) {
      try {
        await api(`${this.path}/messages`, { method: 'POST', body: next });
        await this.read();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.passing) {
          setTimeout(() => void this.#flush(), AGAIN);
          break;
        }
        this.problem = error.message;
      }
      this.#keep(this.unsent.filter((one) => one.id !== next.id));
    }
    this.#sending = false;
  }
}
