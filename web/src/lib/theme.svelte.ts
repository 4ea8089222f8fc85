/** Dark, light, or what the system says. */

import { keep, kept } from './keep';

export type Theme = 'system' | 'light' | 'dark';

class ThemeState {
  value = $state<Theme>('system');

  constructor() {
    const saved = kept('theme');
    if (saved === 'light' || saved === 'dark') this.set(saved);
  }

  set(theme: Theme): void {
    this.value = theme;
    keep('theme', theme);
    if (theme === 'system') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.setAttribute('data-theme', theme);
  }

  isDark(): boolean {
    return this.value === 'dark' || (this.value === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  }

  toggle(): void {
    this.set(this.isDark() ? 'light' : 'dark');
  }
}

export const theme = new ThemeState();
