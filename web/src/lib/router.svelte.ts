/** Addresses of the studio: paths, so that back and forward, bookmarks and shared addresses work. */

import { tick } from 'svelte';

const PATIENCE_MS = 5000;

class Router {
  path = $state(location.pathname);
  parts = $derived(this.path.split('/').filter(Boolean));

  constructor() {
    addEventListener('popstate', () => {
      if (location.pathname === this.path) return; // a place on this page, as the skip link's
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

  /** A new page says its name: the heading takes the focus, as it would after a load. It may still be on its way. */
  private async arrive(): Promise<void> {
    const path = this.path;
    await tick();
    const until = performance.now() + PATIENCE_MS;
    const look = (): void => {
      if (path !== this.path || performance.now() > until) return;
      const heading = document.querySelector<HTMLElement>('main h1');
      if (heading) heading.focus({ preventScroll: true });
      else requestAnimationFrame(look);
    };
    look();
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
