import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import './lib/theme.svelte';
import { session } from './lib/session.svelte';
import { words } from './words/index.svelte';

const target = document.getElementById('app');
if (target) {
  void words.start().finally(() => {
    mount(App, { target });
    void session.load().catch(() => undefined);
  });
}
