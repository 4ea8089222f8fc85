/** Addresses of the studio: paths, so that back and forward, bookmarks and shared addresses work. */

import { tick } from 'svelte';

class Router {
  path = $state(location.pathname);
  parts = $derived(this.path.split('/').filter(Boolean));

  constructor() {
    addEventListener('popstate', () => {
      this.path = location.pathname;
      void this.arrive();
    });
  }

  async go(path: string, replace = false): Promise<void> {
    if (path === this.path) return;
    history[replace ? 'replaceState' : 'pushState'](null, '', path);
    this.path = path;
    scrollTo(0, 0);
    await this.arrive();
  }

  /** A new page says its name: the heading takes the focus, as it would after a load. */
  private async arrive(): Promise<void> {
    await tick();
    document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
  }
}

export const router = new Router();

/** Plain links inside the studio do not load the page anew. */
export function followLinks(event: MouseEvent): void {
  const link = (event.target as Element).closest?.('a');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.pathname.startsWith('/v1/') || link.hash) return;
  event.preventDefault();
  void router.go(link.pathname);
}
