import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// What this writes is committed and has to come out the same on every machine: no times, no paths, names by content.
export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: process.env.STUDIO_OUT ?? '../src/photoplay/service/web',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the page's policy allows no data: address but for pictures
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/v1': 'http://127.0.0.1:8188' } },
});
