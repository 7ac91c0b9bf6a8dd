// What is chosen of an embedder, as a form has it, and as the server takes it.

import type { components } from '@okra/client';

type Schemas = components['schemas'];
export type Embedder = Schemas['EmbedderBody'];
export type Embedders = Schemas['EmbeddersReply'];
export type EmbedderInput = Schemas['EmbedderInput'];

/** Stands for no choice of one's own. */
export const INHERIT = 'inherit';
const TRANSFORMER = 'transformer:';

export interface Choice {
  /** `inherit`, `static`, `endpoint`, or `transformer:` and the model's name. */
  kind: string;
  model: string;
  base_url: string;
  api_key: string;
}

/** The form of an embedder; `own` says whether it was chosen here. The key is never here. */
export function choiceOf(embedder: Embedder, own: boolean): Choice {
  const endpoint = own && embedder.kind === 'endpoint';
  return {
    kind: own ? value(embedder.kind, embedder.model) : INHERIT,
    model: (endpoint && embedder.model) || '',
    base_url: (endpoint && embedder.base_url) || '',
    api_key: '',
  };
}

/** How a select names an embedder. */
export const value = (kind: string, model?: string | null): string => (kind === 'transformer' ? TRANSFORMER + (model ?? '') : kind);

/** What to send; undefined where the choice is to be forgotten. */
export function inputOf({ kind, model, base_url, api_key }: Choice): EmbedderInput | undefined {
  if (kind === INHERIT) return undefined;
  if (kind.startsWith(TRANSFORMER)) return { kind: 'transformer', model: kind.slice(TRANSFORMER.length) };
  if (kind !== 'endpoint') return { kind: 'static' };
  return { kind: 'endpoint', model: model.trim(), base_url: base_url.trim(), ...(api_key.trim() ? { api_key: api_key.trim() } : {}) };
}
