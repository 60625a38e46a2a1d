/** What /desk/api answers; see pages/desk/views.py. Instants are ISO 8601 in UTC. */

import type { SentFile } from '../call/uploads.svelte';

export interface Listed {
  case_id: string;
  number: number;
  service: string | null;
  language: string;
  language_name: string;
  zone: string | null;
}

export type Progress = 'booked' | 'late' | 'waiting' | 'talking' | 'done' | 'missed';

export interface Todays extends Listed {
  appointment: number;
  start: string;
  end: string;
  state: Progress;
  holder: string | null;
}

export interface Waiter extends Listed {
  id: string;
  joined_at: string;
  appointment_at: string | null;
  position: number;
  minutes: number;
}

export interface OpenCase extends Listed {
  last_from_person: string | null;
}

export interface Overview {
  seq: number;
  now: string;
  me: { id: string; name: string };
  office: { name: string; zone: string };
  on_duty: string[];
  today: Todays[];
  waiting: Waiter[];
  mine: OpenCase[];
  unheld: OpenCase[];
}

export interface Message {
  id: string;
  author: 'citizen' | 'bot' | 'clerk' | 'system';
  name: string | null;
  text: string;
  german: string | null;
  language: string;
  choices: string[];
  links: string[];
  attachments: string[];
  files: SentFile[];
  at: string;
}

export interface Pending {
  key: string;
  text: string;
  at: string;
  failed: boolean;
}

export interface Thread {
  messages: Message[];
  pending: Pending[];
}

export interface Matter {
  term: string;
  fee: string | null;
  minutes: number;
  signature: string;
  answers: { question: string; answer: string }[];
  papers: { term: string; name: string; required: boolean; note: string | null }[];
}

export interface Case extends Listed, Thread {
  state: 'open' | 'closed';
  outcome: string | null;
  office_zone: string;
  holder: { name: string; me: boolean } | null;
  person: string | null;
  opened_at: string;
  closed_at: string | null;
  appointment: { number: number; start: string; end: string; zone: string; status: string } | null;
  matter: Matter | null;
}

export interface Outcomes {
  outcomes: Record<string, string[]>;
  next_steps: string[];
}

export interface Summary {
  language: string;
  text: string[];
  german: string[];
}

export interface Closing {
  outcome: string;
  next_steps: { code: string; by: string | null }[];
  note: string;
}

/** What may be asked for, and what was; see pages/desk/fees.py. Amounts come as words of the desk's language. */
export interface Fees {
  free: boolean;
  lines: { id: string; amount: string | null; who: string | null }[];
  methods: string[];
  fees: Fee[];
}

export interface Fee {
  id: string;
  state: 'open' | 'processing' | 'paid' | 'cancelled' | 'expired' | 'refunded';
  amount: string;
  reference: string;
  method: string;
  preparing: boolean;
  problem: 'away' | 'refused' | 'differs' | 'paid_twice' | null;
  requested_at: string;
  settled_at: string | null;
  can_receive: boolean;
  can_cancel: boolean;
  can_give_back: boolean;
}

/** A message the clerk has sent and the server has not yet confirmed. */
export interface Unsent {
  case_id: string;
  key: string;
  text: string;
}
