/** The catalogues. Keys are typed by the English one; {name} is replaced, {n|one|many} chooses by a number. */

import { keep, kept } from '../lib/keep';
import type { Problem } from '../lib/types';
import en from './en.json';

export type Key = keyof typeof en;
export type Language = 'en' | 'de';
type Values = Record<string, string | number>;
interface Named {
  codes: Record<string, [string, string]>;
  templates: Record<string, [string, string]>;
}

function first(): Language {
  const saved = kept('language');
  if (saved === 'en' || saved === 'de') return saved;
  return navigator.language.toLowerCase().startsWith('de') ? 'de' : 'en';
}

class Words {
  language = $state<Language>('en');
  private catalogue = $state.raw<Record<Key, string>>(en);
  private named = $state.raw<Named | null>(null);

  async start(): Promise<void> {
    await this.use(first());
  }

  async use(language: Language): Promise<void> {
    if (language === 'de') {
      const [texts, named] = await Promise.all([import('./de.json'), import('./de.named.json')]);
      this.catalogue = texts.default;
      this.named = named.default as unknown as Named;
    } else {
      this.catalogue = en;
      this.named = null;
    }
    this.language = language;
    document.documentElement.lang = language;
    keep('language', language);
  }

  t = (key: Key, values: Values = {}): string => fill(this.catalogue[key], values);

  has = (key: string): key is Key => key in this.catalogue;

  /** A title or description of a template in this language, or as the service tells it. */
  template = (name: string, part: 0 | 1, told: string): string => this.named?.templates[name]?.[part] ?? told;

  /** A message with its hint: in this language where the code is known, else as the service tells it. */
  problem = (problem: Pick<Problem, 'code' | 'message' | 'hint'>): [string, string] => {
    const known = this.named?.codes[problem.code];
    if (known) return known;
    const own = `problem.${problem.code}`;
    if (this.has(own)) return [this.t(own), this.has(`${own}.hint`) ? this.t(`${own}.hint` as Key) : problem.hint];
    if (problem.message) return [problem.message, problem.hint ?? ''];
    return [this.t('problem.unexpected'), this.t('problem.unexpected.hint')];
  };

  /** This language as it is written where this person is. */
  private place = $derived(navigator.languages.find((one) => one.startsWith(this.language)) ?? this.language);

  number = (value: number, digits = 0): string =>
    new Intl.NumberFormat(this.place, { maximumFractionDigits: digits }).format(value);

  date = (seconds: number | string | null): string => {
    if (seconds === null || seconds === '') return '';
    const when = typeof seconds === 'number' ? new Date(seconds * 1000) : new Date(seconds);
    return Number.isNaN(when.valueOf())
      ? String(seconds)
      : new Intl.DateTimeFormat(this.place, { dateStyle: 'medium', timeStyle: 'short' }).format(when);
  };

  /** A length of time as people say it: rounded, never "0 s". */
  span = (seconds: number): string => {
    if (seconds < 1.5) return this.t('span.moment');
    if (seconds < 10) return this.t('span.seconds', { n: Math.round(seconds) });
    if (seconds < 60) return this.t('span.seconds', { n: Math.round(seconds / 5) * 5 });
    if (seconds < 5400) return this.t('span.minutes', { n: Math.max(1, Math.round(seconds / 60)) });
    return this.t('span.hours', { n: Math.round(seconds / 3600) });
  };
}

export function fill(text: string, values: Values): string {
  const named = text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  return named.replace(/\{(\w+)\|([^|}]*)\|([^}]*)\}/g, (_, name: string, one: string, many: string) =>
    Number(values[name]) === 1 ? one : many,
  );
}

export const words = new Words();
export const t = words.t;
