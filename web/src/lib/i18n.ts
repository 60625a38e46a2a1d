/** Texts of the page's bundle, as the server's catalogue has them; parameters are written `{name}`. */

interface Texts {
  plural: Intl.LDMLPluralRule[];
  messages: Record<string, string | string[]>;
}

export type Params = Record<string, string | number>;

const FSI = '\u2068';
const PDI = '\u2069';
const RIGHT_TO_LEFT_LETTER = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

export const language = document.documentElement.lang;
export const direction = document.documentElement.dir === 'rtl' ? 'rtl' : 'ltr';

const rules = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language, { numberingSystem: 'latn' });
let texts: Texts = { plural: [], messages: {} };

/** Fetches the texts from the address the server wrote into `data-texts`. */
export async function loadTexts(): Promise<void> {
  const address = document.querySelector<HTMLElement>('[data-texts]')?.dataset['texts'];
  if (!address) throw new Error('the page names no texts');
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`texts: ${answer.status}`);
  texts = (await answer.json()) as Texts;
}

/** The sentence `key` says in this page's language, or the bare key. */
export function t(key: string, params: Params = {}): string {
  const entry = texts.messages[key];
  if (entry === undefined) return key;
  return fill(typeof entry === 'string' ? entry : pluralForm(entry, params), params);
}

function pluralForm(forms: string[], params: Params): string {
  const category = rules.select(Number(params['count'] ?? 1));
  return forms[texts.plural.indexOf(category)] ?? forms.at(-1) ?? '';
}

/** Isolates keep a Latin name from reordering an Arabic sentence, and the other way round. */
function fill(template: string, params: Params): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    if (value === undefined) return whole;
    const shown = typeof value === 'number' ? numbers.format(value) : value;
    const mixed = direction === 'rtl' || RIGHT_TO_LEFT_LETTER.test(shown);
    return mixed ? `${FSI}${shown}${PDI}` : shown;
  });
}

/** A language's name in itself ("Türkçe"). */
export const nameOf = (code: string): string => new Intl.DisplayNames([code], { type: 'language' }).of(code) ?? code;

const region = language === 'en' ? 'en-GB' : language;
const clockTime = new Intl.DateTimeFormat(region, {
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
  numberingSystem: 'latn',
});
const longDay = new Intl.DateTimeFormat(region, {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  numberingSystem: 'latn',
});

/** "09:05" in the viewer's zone. */
export const timeOf = (at: string | Date): string => clockTime.format(new Date(at));

/** "Monday 19 October" in the viewer's zone. */
export const dayOf = (at: string | Date): string => longDay.format(new Date(at));
