// The console while it is worked on: hot reload here, everything else from a running server.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const server = process.env['OKRA_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte(), indexForEveryPage()],
  server: {
    host: '127.0.0.1',
    port: 5173,
    strictPort: true,
    proxy: Object.fromEntries(['/api', '/files', '/widget.js', '/assets', '/c/', '/docs', '/openapi.json'].map((path) => [path, server])),
  },
});

/** Answers pages with console.html, as the server does. */
function indexForEveryPage() {
  return {
    name: 'okra-console-index',
    configureServer({ middlewares }: import('vite').ViteDevServer) {
      middlewares.use((request, _, next) => {
        const page = request.headers.accept?.includes('text/html') && !/^\/(api|files|c|docs)(\/|$)/.test(request.url ?? '');
        if (page) request.url = '/console.html';
        next();
      });
    },
  };
}
