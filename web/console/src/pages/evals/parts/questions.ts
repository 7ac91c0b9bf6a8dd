// What an eval asks, and how a file of questions is read.

import type { components } from '@okra/client';

type Schemas = components['schemas'];
export type Question = Schemas['EvalQuestion'];
export type Summary = Schemas['EvalSummary'];
export type Details = Schemas['EvalDetails'];
export type Result = Schemas['ComparedEvalResult'];
export type Scores = Schemas['EvalScores'];

/** A line of a file that is no JSON object. */
export class LineError extends Error {
  constructor(
    readonly line: number,
    why: string,
  ) {
    super(why);
  }
}

/** The questions of a file, one JSON object a line; the server checks what is in them. */
export function readQuestions(text: string): Question[] {
  const questions: Question[] = [];
  for (const [index, line] of text.replace(/^\ufeff/, '').split(/\r?\n/).entries()) {
    if (!line.trim()) continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (thrown) {
      throw new LineError(index + 1, (thrown as Error).message);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new LineError(index + 1, line.slice(0, 60));
    questions.push(value as Question);
  }
  return questions;
}

/** Whether both ask the same and expect the same. */
export function same(one: Question, other: Question): boolean {
  const fields = ['question', 'item', 'passage', 'answer', 'expect'] as const;
  return fields.every((field) => (one[field] ?? null) === (other[field] ?? null));
}

/** Each question with its result in a run, where that asked it like this. */
export function withResults(questions: Question[], results: Result[]): [Question, Result | undefined][] {
  const known = new Map(results.map((result) => [result.question, result]));
  return questions.map((question) => {
    const result = known.get(question.question);
    return [question, result && same(question, result) ? result : undefined];
  });
}
