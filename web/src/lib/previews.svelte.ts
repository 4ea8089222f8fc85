/** Animated previews of the user's own photo: made when they come into view, two at a time, kept while the photo stays. */

import { ApiError, fetchBlob } from './api';
import { draft } from './draft.svelte';
import type { Problem } from './types';

const AT_ONCE = 2;
const BUSY_S = 4;
const TRIES = 5;
const REFUSED = new Set([403, 422]);

class Previews {
  shown = $state<Record<string, string>>({});
  /** Where there will be no preview: why, or nothing where nobody can say. */
  failed = $state<Record<string, Problem | null>>({});
  /** What is in view and has no preview yet, and its place on the page. */
  private waiting = new Map<string, number>();
  private soon = 0;
  private running = new Map<string, AbortController>();
  private of = '';

  /** The photos and who agreed: what a preview depends on beside its template. */
  private about(): { key: string; body: object } {
    const body = { photos: draft.request().photos, ...draft.agreement() };
    return { key: JSON.stringify(body), body };
  }

  /** From the top of the page on, whichever was seen first. */
  want(template: string, place: number): void {
    const { key } = this.about();
    if (key !== this.of) this.forget(key);
    if (this.shown[template] || template in this.failed || this.running.has(template) || this.waiting.has(template)) return;
    this.waiting.set(template, place);
    this.soon ||= setTimeout(() => {
      this.soon = 0; // by now everything that came into view together has been told
      this.work();
    });
  }

  /** Out of view before its turn: somebody else goes first. */
  unwant(template: string): void {
    this.waiting.delete(template);
  }

  stop(): void {
    this.waiting.clear();
    for (const controller of this.running.values()) controller.abort();
  }

  private forget(key: string): void {
    this.stop();
    for (const url of Object.values(this.shown)) URL.revokeObjectURL(url);
    this.shown = {};
    this.failed = {};
    this.of = key;
  }

  private work(): void {
    while (this.running.size < AT_ONCE) {
      const [template] = [...this.waiting].sort(([, a], [, b]) => a - b)[0] ?? [];
      if (template === undefined) return;
      this.waiting.delete(template);
      const controller = new AbortController();
      this.running.set(template, controller);
      void this.make(template, controller.signal).finally(() => {
        this.running.delete(template);
        this.work();
      });
    }
  }

  private async make(template: string, signal: AbortSignal): Promise<void> {
    const { key, body } = this.about();
    let problem: Problem | null = null;
    for (let attempt = 0; attempt < TRIES && !signal.aborted; attempt++) {
      try {
        const picture = await fetchBlob('POST', '/v1/previews', { json: { ...body, template }, signal });
        if (this.of === key) this.shown[template] = URL.createObjectURL(picture);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const busy = error instanceof ApiError && (error.problem.status === 429 || error.problem.status === 503);
        if (!busy) {
          // A refusal is of this photo with this motion: a film would end the same way.
          if (error instanceof ApiError && REFUSED.has(error.problem.status)) problem = error.problem;
          break;
        }
        const wait = Math.min(30, error.problem.retryAfter ?? BUSY_S);
        await new Promise((resolve) => setTimeout(resolve, wait * 1000));
      }
    }
    if (this.of === key && !signal.aborted) this.failed[template] = problem;
  }
}

export const previews = new Previews();
