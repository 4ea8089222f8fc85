/** The one door to the service: same origin, JSON, problems as one kind of error. */

import type { Problem } from './types';

export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

let csrf: string | null = null;
let onSignedOut: () => void = () => {};

export function setCsrf(token: string | null): void {
  csrf = token;
}

export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

export type Method = 'GET' | 'POST' | 'DELETE';

export interface Options {
  json?: unknown;
  form?: FormData;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

async function problemOf(response: Response): Promise<Problem> {
  const body: Record<string, unknown> = await response.json().catch(() => ({}));
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const wait = Number(response.headers.get('retry-after'));
  return {
    status: response.status,
    code: text(body.code) || `http_${response.status}`,
    message: text(body.message) || text(body.detail),
    hint: text(body.hint),
    ...(wait > 0 ? { retryAfter: wait } : {}),
  };
}

async function send(method: Method, path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  let body: BodyInit | undefined = options.form;
  if (options.json !== undefined) {
    headers['content-type'] = 'application/json';
    body = JSON.stringify(options.json);
  }
  if (method !== 'GET' && csrf) headers['x-csrf-token'] = csrf;
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body, signal: options.signal, credentials: 'same-origin' });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError({ status: 0, code: 'unreachable', message: '', hint: '' });
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    // A password that does not fit is told where it was asked for; the session goes on.
    const wrong = problem.code === 'sign_in_failed';
    if (response.status === 401 && !wrong && !path.startsWith('/v1/session')) onSignedOut();
    throw new ApiError(problem);
  }
  return response;
}

export async function call<T>(method: Method, path: string, options: Options = {}): Promise<T> {
  const response = await send(method, path, options);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export async function fetchBlob(method: Method, path: string, options: Options = {}): Promise<Blob> {
  return (await send(method, path, { ...options, headers: { accept: '*/*', ...options.headers } })).blob();
}

export function problemFrom(error: unknown): Problem {
  return error instanceof ApiError ? error.problem : { status: 0, code: 'unexpected', message: '', hint: '' };
}

/** Sends a file with its progress, which fetch cannot tell. */
export function upload<T>(path: string, file: Blob, name: string, onShare: (share: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append('file', file, name);
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.responseType = 'json';
    request.setRequestHeader('accept', 'application/json');
    if (csrf) request.setRequestHeader('x-csrf-token', csrf);
    request.upload.onprogress = (event) => event.lengthComputable && onShare(event.loaded / event.total);
    request.onerror = () => reject(new ApiError({ status: 0, code: 'unreachable', message: '', hint: '' }));
    request.onload = () => {
      const body = request.response ?? {};
      if (request.status >= 200 && request.status < 300) return resolve(body as T);
      if (request.status === 401) onSignedOut();
      reject(
        new ApiError({
          status: request.status,
          code: body.code ?? `http_${request.status}`,
          message: body.message ?? body.detail ?? '',
          hint: body.hint ?? '',
        }),
      );
    };
    request.send(form);
  });
}
