/** The motions there are, asked for once. */

import { call } from './api';
import type { Page, Template } from './types';

let asked: Promise<Template[]> | null = null;

export function templates(): Promise<Template[]> {
  asked ??= call<Template[] | Page<Template>>('GET', '/v1/templates')
    .then((answer) => (Array.isArray(answer) ? answer : answer.data))
    .catch((error: unknown) => {
      asked = null;
      throw error;
    });
  return asked;
}
