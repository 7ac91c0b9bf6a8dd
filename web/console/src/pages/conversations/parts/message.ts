// A message and how it came about, read from what the server keeps of it.

import type { components } from '@okra/client';

export type Message = components['schemas']['MessageBody'];

export interface Cited {
  knowledge_id: string;
  title: string;
  url?: string | null;
  chunk: number;
  page?: number | null;
  similarity: number;
}

export interface Facts {
  answeredBy: 'model' | 'qna' | 'passage' | 'nothing' | undefined;
  ended: 'complete' | 'cancelled' | 'failed' | 'interrupted' | undefined;
  /** What cut the model off. */
  finish: 'length' | 'content_filter' | undefined;
  outcome: 'answered' | 'unanswered' | 'failed' | undefined;
  error: string | undefined;
  sources: readonly Cited[];
  /** Milliseconds. */
  timings: { retrieval?: number | undefined; first_text?: number | undefined; total?: number | undefined };
  /** What the agent is called who wrote it. */
  agent: string | undefined;
  feedback: { rating: 'up' | 'down'; comment?: string | null } | undefined;
  /** Whether it went out by e-mail, and to whom. */
  mail: { state: 'sent' | 'failed'; to: string } | undefined;
}

/** Reads a message's metadata; what is missing or of another form is left out. */
export function factsOf({ metadata }: Message): Facts {
  const one = <Word extends string>(name: string, words: readonly Word[]): Word | undefined => words.find((word) => word === metadata[name]);
  const timings = objectIn(metadata['timings_ms']);
  const feedback = objectIn(metadata['feedback']);
  const { state, to } = objectIn(metadata['mail']);
  const { sources, error } = metadata;
  const agent = objectIn(metadata['agent'])['name'];
  return {
    answeredBy: one('answered_by', ['model', 'qna', 'passage', 'nothing']),
    ended: one('ended', ['complete', 'cancelled', 'failed', 'interrupted']),
    finish: one('finish', ['length', 'content_filter']),
    outcome: one('outcome', ['answered', 'unanswered', 'failed']),
    error: typeof error === 'string' ? error : undefined,
    sources: Array.isArray(sources) ? (sources as Cited[]) : [],
    timings: { retrieval: numberIn(timings['retrieval']), first_text: numberIn(timings['first_text']), total: numberIn(timings['total']) },
    agent: typeof agent === 'string' ? agent : undefined,
    feedback: feedback['rating'] === 'up' || feedback['rating'] === 'down' ? (feedback as unknown as Facts['feedback']) : undefined,
    mail: (state === 'sent' || state === 'failed') && typeof to === 'string' ? { state, to } : undefined,
  };
}

const objectIn = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {});
const numberIn = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
