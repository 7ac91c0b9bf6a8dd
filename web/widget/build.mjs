// Builds the widget into ../dist: the panel as a module with a hashed name, then `widget.js`, which
// knows that name. Fails where `widget.js` and what the first paint needs outgrow their budget.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const BUDGET = 40 * 1024;
const root = import.meta.dirname;
const dist = `${root}/../dist`;
// The page is someone else's: it gets no global of Svelte's.
const plugins = [svelte({ compilerOptions: { discloseVersion: false } })];
const common = { root, configFile: false, logLevel: 'warn', plugins };
const target = 'es2022';

const [panel] = [
  await build({
    ...common,
    build: {
      outDir: dist,
      emptyOutDir: false,
      target,
      modulePreload: false,
      rollupOptions: {
        input: `${root}/src/panel.ts`,
        preserveEntrySignatures: 'exports-only',
        output: { format: 'es', entryFileNames: 'assets/panel-[hash].js', chunkFileNames: 'assets/[name]-[hash].js' },
      },
    },
  }),
].flat();
const chunk = panel.output.find((part) => part.isEntry);
const name = chunk.fileName.replace('assets/', '');

await build({
  ...common,
  define: { __PANEL__: JSON.stringify(name) },
  build: {
    outDir: dist,
    emptyOutDir: false,
    target,
    rollupOptions: { input: `${root}/src/widget.ts`, output: { format: 'iife', entryFileNames: 'widget.js' } },
  },
});

const size = (file) => gzipSync(readFileSync(`${dist}/${file}`), { level: 9 }).length;
const kb = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
// What the panel needs before it is drawn: whatever it imports at once, and the words of one language.
const parts = new Map(panel.output.map((part) => [part.fileName, part]));
const atOnce = new Set();
const visit = (file) => {
  if (atOnce.has(file)) return;
  atOnce.add(file);
  parts.get(file).imports.forEach(visit);
};
visit(chunk.fileName);
const sum = (files) => files.reduce((total, file) => total + size(file), 0);
const languages = panel.output.filter((part) => part.facadeModuleId?.includes('/words/')).map((part) => size(part.fileName));
const [first, whole, words] = [size('widget.js'), sum([...atOnce]), Math.max(...languages)];
console.log(`gzip: widget.js ${kb(first)}, ${name} ${kb(whole)} when it is opened, ${kb(words)} for another language`);
// The hosted page's first paint needs all three; elsewhere widget.js alone draws the launcher.
if (languages.length !== 6 || first + whole + words > BUDGET) {
  console.error(`The widget may weigh ${kb(BUDGET)} in all, and weighs ${kb(first + whole + words)} (${languages.length} languages).`);
  process.exit(1);
}
