/** Dark, light, or what the system says. */

import { keep, kept } from './keep';

export type Theme = 'system' | 'light' | 'dark';

const night = matchMedia('(prefers-color-scheme: dark)');

class ThemeState {
  value = $state<Theme>('system');
  private system = $state(night.matches);
  dark = $derived(this.value === 'dark' || (this.value === 'system' && this.system));

  constructor() {
    night.onchange = () => (this.system = night.matches);
    const saved = kept('theme');
    if (saved === 'light' || saved === 'dark') this.set(saved);
  }

  set(theme: Theme): void {
    this.value = theme;
    keep('theme', theme);
    if (theme === 'system') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.setAttribute('data-theme', theme);
  }

  toggle(): void {
    this.set(this.dark ? 'light' : 'dark');
  }
}

export const theme = new ThemeState();
