/** Who is here and what this service offers. */

import { ApiError, call, setCsrf, whenSignedOut } from './api';
import { draft } from './draft.svelte';
import type { Session } from './types';
import { words } from '../words/index.svelte';

class SessionState {
  value = $state<Session | null>(null);
  signedIn = $derived(Boolean(this.value?.user));
  hosted = $derived(this.value?.hosted ?? false);

  private take(session: Session): void {
    this.value = session;
    setCsrf(session.csrf);
  }

  async load(): Promise<void> {
    this.take(await call<Session>('GET', '/v1/session'));
  }

  async signIn(email: string, password: string): Promise<void> {
    await call('POST', '/v1/session', { json: { email, password } });
    await this.load();
  }

  async useLink(token: string): Promise<void> {
    await call('POST', '/v1/session', { json: { token } });
    await this.load();
  }

  async signUp(email: string, password: string): Promise<void> {
    await call('POST', '/v1/sign-up', { json: { email, password } });
    await this.load();
    if (!this.signedIn) await this.signIn(email, password);
  }

  /** Asks for a mail with a link; the answer is the same for every address. */
  async askLetter(email: string): Promise<void> {
    await call('POST', '/v1/letters', { json: { email, language: words.language } });
  }

  /** Chooses the password of the account that a letter is for, and signs in. */
  async openLetter(token: string, password: string): Promise<void> {
    this.take(await call<Session>('POST', '/v1/letters/open', { json: { token, password } }));
  }

  /** Signs out everywhere else: this browser gets a session, and a token for it, anew. */
  async changePassword(current: string, password: string): Promise<void> {
    this.take(await call<Session>('POST', '/v1/account/password', { json: { current: current || null, password } }));
  }

  async signOut(): Promise<void> {
    try {
      await call('DELETE', '/v1/session');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    draft.clear();
    await this.load();
  }

  forget(): void {
    if (this.value) this.value = { ...this.value, user: null };
  }
}

export const session = new SessionState();
whenSignedOut(() => session.forget());
