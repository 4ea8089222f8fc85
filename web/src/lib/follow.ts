/** Follows a job as it goes: by events, and by asking where events do not come through. */

import { call } from './api';
import type { Job, JobError, JobState } from './types';

export interface Watcher {
  job: (job: Job) => void;
  stage: (stage: { stage: string; percent: number; left_s: number | null; attempt: number }) => void;
  state: (state: JobState, error: JobError | null) => void;
  preview: (seq: number) => void;
}

const ASK_MS = 3000;
const LIVE = new Set<JobState>(['queued', 'running']);

export function follow(id: string, watch: Watcher): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;

  async function ask(): Promise<void> {
    try {
      const job = await call<Job>('GET', `/v1/jobs/${id}`);
      if (over) return;
      watch.job(job);
      if (!LIVE.has(job.state)) stop();
    } catch {
      // the next look will tell
    }
  }

  /** Where the stream broke for good, looks every few seconds do the same. */
  function poll(): void {
    timer = setTimeout(() => {
      void ask().finally(() => over || poll());
    }, ASK_MS);
  }

  function stop(): void {
    over = true;
    clearTimeout(timer);
    source?.close();
  }

  source = new EventSource(`/v1/jobs/${id}/events`);
  const on = (kind: string, act: (data: never) => void): void =>
    source?.addEventListener(kind, (event) => act(JSON.parse((event as MessageEvent<string>).data) as never));
  on('stage', (data) => watch.stage(data));
  on('preview', (data: { seq: number }) => watch.preview(data.seq));
  on('state', (data: { state: JobState; error: JobError | null }) => {
    watch.state(data.state, data.error ?? null);
    if (data.state === 'running') void ask();
  });
  on('end', () => {
    source?.close();
    void ask();
  });
  source.onerror = () => {
    if (source?.readyState === EventSource.CLOSED && !over) poll();
  };
  return stop;
}
