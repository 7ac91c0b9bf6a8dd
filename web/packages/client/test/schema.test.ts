import { readFileSync } from 'node:fs';
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript';
import { expect, test } from 'vitest';

const at = (path: string) => new URL(path, import.meta.url);

test('the types are those of openapi.json', async () => {
  const fresh = COMMENT_HEADER + astToString(await openapiTS(at('../../../../openapi.json')));
  const kept = readFileSync(at('../src/schema.d.ts'), 'utf8');
  expect(kept === fresh, 'stale: run `npm run generate -w packages/client` in web/').toBe(true);
});
