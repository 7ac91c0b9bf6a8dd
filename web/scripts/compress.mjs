// Lays a .br and a .gz beside each text of dist: compressed once here, never while serving.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;
const LEAST = 1024; // below this the headers outweigh the gain

for (const name of readdirSync(dist, { recursive: true })) {
  const file = `${dist}${name}`;
  if (!/\.(js|css|html|svg|json)$/.test(name) || statSync(file).size < LEAST) continue;
  const text = readFileSync(file);
  writeFileSync(`${file}.gz`, gzipSync(text, { level: 9 }));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length };
  writeFileSync(`${file}.br`, brotliCompressSync(text, { params }));
}
