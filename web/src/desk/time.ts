/** Times of a named zone, as the clerk's language writes them; and the way a language runs. */
import { language } from '../lib/i18n';

const region = language === 'en' ? 'en-GB' : language;
const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, kind: 'time' | 'day', options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = `${kind} ${zone}`;
  let found = formats.get(name);
  if (!found) {
    found = new Intl.DateTimeFormat(region, { ...options, timeZone: zone, numberingSystem: 'latn' });
    formats.set(name, found);
  }
  return found;
}

/** "09:05" */
export const timeIn = (at: string | number, zone: string): string =>
  format(zone, 'time', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(at));

/** "Tue 20 Oct" */
export const dayIn = (at: string | number, zone: string): string =>
  format(zone, 'day', { weekday: 'short', day: 'numeric', month: 'short' }).format(new Date(at));

/** "09:05" today, else with its day before it. */
export function momentIn(at: string | number, zone: string, now: number): string {
  const day = dayIn(at, zone);
  return day === dayIn(now, zone) ? timeIn(at, zone) : `${day}, ${timeIn(at, zone)}`;
}

/** "Manila" of "Asia/Manila". */
export const placeOf = (zone: string): string => (zone.split('/').at(-1) ?? zone).replaceAll('_', ' ');

const LEFTWARD = new Set(['ar', 'fa', 'he', 'ur']);

export const directionOf = (code: string): 'rtl' | 'ltr' => (LEFTWARD.has(code) ? 'rtl' : 'ltr');
