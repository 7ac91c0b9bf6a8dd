// Builds the console into ../dist: console.html, and its parts under assets/ with hashed names.
// Fails where what a browser loads first outgrows its budget.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const BUDGET = 150 * 1024;
const root = import.meta.dirname;
const dist = `${root}/../dist`;
// Of the pages, the first load brings the heaviest one at most.
const PAGE = /pages\//;

const { output } = await build({
  root,
  configFile: false,
  logLevel: 'warn',
  plugins: [svelte()],
  build: {
    outDir: dist,
    emptyOutDir: false,
    target: 'es2022',
    // Browsers that know `light-dark()`, so that each colour is written once for both themes.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // The strict content policy allows no `data:` scripts or fonts; files have hashes to be kept by.
    assetsInlineLimit: 0,
    rollupOptions: {
      input: `${root}/console.html`,
      output: {
        entryFileNames: 'assets/console-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
});

const chunks = new Map(output.map((part) => [part.fileName, part]));
const size = (file) => gzipSync(readFileSync(`${dist}/${file}`), { level: 9 }).length;
const kb = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;

/** The files that a chunk needs before it can run: itself, its imports, and their style sheets. */
function needed(name, files = new Set()) {
  const chunk = chunks.get(name);
  if (files.has(name) || chunk?.type !== 'chunk') return files;
  files.add(name);
  for (const sheet of chunk.viteMetadata?.importedCss ?? []) files.add(sheet);
  for (const other of chunk.imports) needed(other, files);
  return files;
}

const entry = output.find((part) => part.isEntry);
const shell = needed(entry.fileName);
const weight = (files) => [...files].reduce((sum, file) => sum + size(file), 0);
const pages = output
  .filter((part) => part.isDynamicEntry && PAGE.test(part.facadeModuleId ?? ''))
  .map((part) => [part.facadeModuleId.replace(/.*pages\//, ''), weight(needed(part.fileName, new Set(shell)))])
  .sort((a, b) => b[1] - a[1]);
const first = size('console.html') + weight(shell);
const [heaviest, most] = pages[0] ?? ['no page', weight(shell)];
const load = size('console.html') + most;
console.log(`gzip: console ${kb(first)}, with its heaviest page (${heaviest}) ${kb(load)}`);
if (load > BUDGET) {
  console.error(`The console's first load may weigh ${kb(BUDGET)}, and weighs ${kb(load)}.`);
  process.exit(1);
}
