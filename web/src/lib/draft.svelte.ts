/** The film that is being put together; a reload does not lose it. */

import { ApiError, call, upload } from './api';
import type { Found, JobRequest, Size, Statement, Template, Upload, VideoAsk } from './types';

export interface DraftPhoto {
  key: string;
  name: string;
  /** Where the picture can be seen: from this page's memory until the service has it. */
  src: string;
  share: number;
  upload: Upload | null;
  statement: Statement | null;
}

interface Saved {
  photos: { id: string; name: string; statement: Statement | null }[];
  consents: string[];
  onRecord: boolean;
  template: string | null;
  remixOf: string | null;
  beside: Beside;
  options: DraftOptions;
}

/** What a film was asked for with and this page does not show: it stays as it was when the film is changed. Its consent is
 * that of whoever is in the last picture and in the clip. */
type Beside = Pick<JobRequest, (typeof BESIDE)[number] | 'consent'>;

export interface DraftOptions {
  seconds: number | null;
  size: Size | null;
  intensity: number;
  who: 'all' | 'main';
  left: number | null;
  first: number;
  audio: string | null;
  audioName: string;
  seed: number;
}

const KEY = 'photoplay.draft';
const BESIDE = ['prompt', 'speed', 'last', 'video', 'backdrop', 'codec'] as const;
/** Times that a photo is shown to a service that is busy looking at others. */
const TRIES = 3;
let counter = 0;

function plain(): DraftOptions {
  return { seconds: null, size: null, intensity: 1, who: 'all', left: null, first: 0, audio: null, audioName: '', seed: 0 };
}

export function pictureOf(id: string): string {
  return `/v1/photos/${id}/picture`;
}

class Draft {
  photos = $state<DraftPhoto[]>([]);
  consents = $state<string[]>([]);
  onRecord = $state(false);
  template = $state<Template | null>(null);
  options = $state<DraftOptions>(plain());
  remixOf = $state<string | null>(null);
  beside = $state<Beside>({});
  /** The name of a template that is not looked up yet. */
  wanted: string | null = null;

  ready = $derived(this.photos.length > 0 && this.photos.every((photo) => photo.upload?.found));
  people = $derived(
    this.photos.length > 1 ? 2 : Math.min(2, this.photos[0]?.upload?.found?.people ?? this.photos[0]?.upload?.found?.faces.length ?? 0),
  );
  blocked = $derived(
    this.photos.some((photo) => photo.upload?.found?.advice.some((advice) => advice.severity === 'blocking')),
  );
  agreed = $derived(
    this.photos.length > 0 &&
      (this.onRecord ? this.consents.length > 0 : this.photos.every((photo) => photo.statement !== null)),
  );

  async add(file: File): Promise<void> {
    const key = `photo-${++counter}`;
    const src = URL.createObjectURL(file);
    this.photos.push({ key, name: file.name, src, share: 0, upload: null, statement: null });
    const place = (): DraftPhoto | undefined => this.photos.find((photo) => photo.key === key);
    try {
      const made = await upload<Upload>('/v1/photos', file, file.name || 'photo', (share) => {
        const photo = place();
        if (photo) photo.share = share;
      });
      const photo = place();
      if (!photo) return;
      photo.share = 1;
      const seen = made.found ? made : await this.inspect(made);
      const still = place();
      if (still) still.upload = seen;
      this.save();
    } catch (error) {
      this.remove(key);
      throw error;
    }
  }

  private async inspect(made: Upload): Promise<Upload> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await call<Upload | Found>('POST', `/v1/photos/${made.id}/inspect`);
        return 'faces' in answer ? { ...made, found: answer } : answer;
      } catch (error) {
        const busy = error instanceof ApiError && error.problem.status === 503;
        if (!busy || attempt === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.min(10, error.problem.retryAfter ?? 2) * 1000));
      }
    }
  }

  async addStored(id: string, statement: Statement | null = null, name = ''): Promise<void> {
    let stored = await call<Upload>('GET', `/v1/photos/${id}`);
    if (!stored.found) stored = await this.inspect(stored);
    this.photos.push({ key: `photo-${++counter}`, name, src: pictureOf(id), share: 1, upload: stored, statement });
    this.save();
  }

  remove(key: string): void {
    const gone = this.photos.find((photo) => photo.key === key);
    if (gone?.src.startsWith('blob:')) URL.revokeObjectURL(gone.src);
    this.photos = this.photos.filter((photo) => photo.key !== key);
    if (!this.photos.length) {
      this.consents = [];
      this.remixOf = null;
      this.beside = {};
    }
    this.save();
  }

  swap(): void {
    this.photos = [...this.photos].reverse();
    this.save();
  }

  clear(): void {
    for (const photo of this.photos) if (photo.src.startsWith('blob:')) URL.revokeObjectURL(photo.src);
    this.photos = [];
    this.consents = [];
    this.onRecord = false;
    this.template = null;
    this.remixOf = null;
    this.beside = {};
    this.wanted = null;
    this.options = plain();
    try {
      sessionStorage.removeItem(KEY);
    } catch {
      // nothing was kept
    }
  }

  save(): void {
    const saved: Saved = {
      photos: this.photos.flatMap((photo) =>
        photo.upload ? [{ id: photo.upload.id, name: photo.name, statement: photo.statement }] : [],
      ),
      consents: $state.snapshot(this.consents),
      onRecord: this.onRecord,
      template: this.template?.name ?? this.wanted,
      remixOf: this.remixOf,
      beside: $state.snapshot(this.beside),
      options: $state.snapshot(this.options),
    };
    try {
      sessionStorage.setItem(KEY, JSON.stringify(saved));
    } catch {
      // this browser keeps nothing: the draft lives as long as the page
    }
  }

  async restore(): Promise<void> {
    if (this.photos.length) return;
    let saved: Saved;
    try {
      saved = JSON.parse(sessionStorage.getItem(KEY) ?? '');
    } catch {
      return;
    }
    await this.take(saved);
  }

  private async take(saved: Saved): Promise<void> {
    this.clear();
    try {
      for (const photo of saved.photos) await this.addStored(photo.id, photo.statement, photo.name);
    } catch {
      this.clear(); // the photos are gone: begin anew
      return;
    }
    this.consents = saved.consents;
    this.onRecord = saved.onRecord;
    this.wanted = saved.template;
    this.remixOf = saved.remixOf;
    this.beside = saved.beside ?? {};
    this.options = { ...plain(), ...saved.options };
    this.save();
  }

  /** Starts again from a film's request. */
  async remix(id: string, request: JobRequest): Promise<void> {
    const statements = request.consent ?? [];
    const one = statements.length === 1 ? statements[0] : undefined;
    const others = [request.last, request.video].filter(Boolean);
    const agreed = others.flatMap((_, index) => statements[request.photos.length + index] ?? one ?? []);
    await this.take({
      photos: request.photos.map((photo, index) => ({ id: photo, name: '', statement: statements[index] ?? one ?? null })),
      consents: request.consents ?? [],
      onRecord: Boolean(request.consents?.length),
      template: request.template || null,
      remixOf: id,
      beside: {
        ...Object.fromEntries(BESIDE.flatMap((name) => (request[name] ? [[name, request[name]]] : []))),
        consent: agreed,
      },
      options: {
        ...plain(),
        seed: request.seed ?? 0,
        seconds: request.seconds ?? null,
        size: (request.size as Size | undefined) ?? null,
        intensity: request.intensity ?? 1,
        who: request.who ?? 'all',
        left: request.left ?? null,
        first: request.first ?? 0,
        audio: request.audio?.[0] ?? null,
      },
    });
  }

  /** Who agreed, as the service wants to be told. */
  agreement(): Pick<JobRequest, 'consent' | 'consents'> {
    return this.onRecord
      ? { consents: [...this.consents] }
      : { consent: this.photos.flatMap((photo) => (photo.statement ? [photo.statement] : [])) };
  }

  request(): VideoAsk {
    const { options } = this;
    const { consent: others = [], ...beside } = this.beside;
    const agreed = this.agreement();
    return {
      ...(this.remixOf ? { remixed_from: this.remixOf } : {}),
      ...beside,
      photos: this.photos.flatMap((photo) => (photo.upload ? [photo.upload.id] : [])),
      template: this.template?.name ?? '',
      ...agreed,
      ...(agreed.consent ? { consent: [...agreed.consent, ...others] } : {}),
      ...(options.seconds ? { seconds: options.seconds } : {}),
      ...(options.size ? { size: options.size } : {}),
      intensity: options.intensity,
      who: options.who,
      ...(options.audio ? { audio: [options.audio] } : {}),
      ...(options.seed ? { seed: options.seed } : {}),
      ...(this.people === 2 && this.template?.people === 2 ? { left: options.left, first: options.first } : {}),
    };
  }
}

export const draft = new Draft();
