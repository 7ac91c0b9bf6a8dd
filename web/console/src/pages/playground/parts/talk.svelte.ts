// A conversation with a chatbot that is tried out: its turns, and how each came about.

import { readEvents, type ServerEvent } from '@okra/chat';
import { ApiError, OFFLINE, type components } from '@okra/client';

export type Passage = components['schemas']['CitedSource'];
type Message = components['schemas']['MessageBody'];
type Call = components['schemas']['CalledTool'];
type Result = components['schemas']['ToolOutcome'];

/** Milliseconds since the question, as the server measured them. */
export interface Timings {
  retrieval: number;
  first_text: number | null;
  total: number;
}

/** Who wrote an answer: a model; nobody, since it is a stored one or a passage word for word; or it is none. */
export type AnsweredBy = 'model' | 'qna' | 'passage' | 'nothing';

/** How an answer came about; what a failed or stopped turn does not tell is left out. */
export interface Facts {
  /** What was searched for in place of the question, which leans on earlier ones. */
  lookedUp?: string;
  by?: AnsweredBy;
  /** What cut the model off. */
  finish?: 'length' | 'content_filter';
  model?: string;
  tokens?: number;
  timings?: Timings;
}

export interface Turn {
  key: number;
  question: string;
  answer: string;
  state: 'writing' | 'complete' | 'cancelled' | 'failed';
  /** What the answer was given to rest on; undefined until it has been looked for. */
  passages: readonly Passage[] | undefined;
  /** Of these, once it has ended, those that it does rest on. */
  used: readonly Passage[] | undefined;
  facts: Facts;
  error: ApiError | undefined;
  /** The answer's id, once there is one. */
  id: string | undefined;
  /** The tools that it called, and what came of that. */
  calls: readonly Call[];
  results: readonly Result[];
}

/** Sends what is asked; throws an `ApiError` where that fails. */
export type Ask = (body: object, signal: AbortSignal) => Promise<Response>;

export class Talk {
  turns = $state.raw<readonly Turn[]>([]);
  #session: string | undefined;
  #running: AbortController | undefined;
  #keys = 0;

  constructor(private readonly send: Ask) {}

  get busy(): boolean {
    return this.turns.at(-1)?.state === 'writing';
  }

  /** The call of the last answer that waits to be confirmed. */
  get waiting(): Call | undefined {
    const last = this.turns.at(-1);
    return last?.state === 'complete' ? last.calls.find(({ state }) => state === 'awaiting_confirmation') : undefined;
  }

  /** Confirms that call, in these words. */
  async confirm(words: string): Promise<void> {
    const [call, answer] = [this.waiting, this.turns.at(-1)?.id];
    if (call && answer) await this.ask(words, { message_id: answer, call_id: call.id });
  }

  /** Asks; does nothing while an answer is being written. Resolves when the answer has ended. */
  async ask(question: string, confirm?: { message_id: string; call_id: string }): Promise<void> {
    const content = question.trim();
    if (!content || this.busy) return;
    const key = ++this.#keys;
    const turn: Turn = { key, question: content, answer: '', state: 'writing', passages: undefined, used: undefined, facts: {}, error: undefined, id: undefined, calls: [], results: [] };
    this.turns = [...this.turns, turn];
    const running = new AbortController();
    this.#running = running;
    try {
      const asked = { platform: 'playground', messages: [{ role: 'user', content }], session_id: this.#session, ...(confirm ? { confirm } : {}) };
      for await (const event of readEvents(await this.send(asked, running.signal))) {
        if (running.signal.aborted) break;
        this.#take(key, event);
      }
      // Every answer says that it has ended: one that only stops was cut off.
      if (this.#turn(key)?.state === 'writing') throw new ApiError(OFFLINE, 'the stream ended early', 0);
    } catch (thrown) {
      if (this.#turn(key)?.state !== 'writing') return;
      if (running.signal.aborted) this.#change(key, { state: 'cancelled' });
      else this.#change(key, { state: 'failed', error: ApiError.from(thrown) });
    }
  }

  /** Asks the last question once more, in place of the answer that failed or was stopped. */
  async retry(): Promise<void> {
    const last = this.turns.at(-1);
    if (!last || this.busy) return;
    this.turns = this.turns.slice(0, -1);
    await this.ask(last.question);
  }

  /** Stops the answer that is being written; what there is of it stays. */
  stop(): void {
    this.#running?.abort();
  }

  /** Forgets the conversation: the next question begins another. */
  restart(): void {
    this.stop();
    this.turns = [];
    this.#session = undefined;
  }

  #take(key: number, { name, data }: ServerEvent): void {
    const turn = this.#turn(key);
    if (!turn) return; // it was begun anew meanwhile
    const told = JSON.parse(data);
    if (name === 'session') {
      this.#session = told.session_id;
      this.#change(key, { id: told.message_id });
    } else if (name === 'tool_call') this.#change(key, { calls: [...turn.calls, told] });
    else if (name === 'tool_result') this.#change(key, { results: [...turn.results, told] });
    else if (name === 'sources') this.#change(key, { passages: told.sources });
    else if (name === 'delta') this.#change(key, { answer: turn.answer + told.content });
    else if (name === 'done' && told.ended === 'handed_over') this.#change(key, { state: 'failed', error: new ApiError('handed_over', 'A person has this conversation: the chatbot says nothing.', 0, []) });
    else if (name === 'done') this.#change(key, { state: 'complete', answer: told.content, used: usedOf(told, turn.passages ?? []), facts: factsOf(told) });
    else if (name === 'error') this.#change(key, { state: 'failed', error: new ApiError(told.code, told.error, 0, told.details) });
  }

  #turn(key: number): Turn | undefined {
    return this.turns.find((turn) => turn.key === key);
  }

  #change(key: number, change: Partial<Turn>): void {
    this.turns = this.turns.map((turn) => (turn.key === key ? { ...turn, ...change } : turn));
  }
}

/** The passages that an answer's metadata names, with the sentences that it rests on. */
function usedOf({ metadata }: Message, given: readonly Passage[]): Passage[] {
  const { sources } = metadata as { sources?: Pick<Passage, 'knowledge_id' | 'chunk' | 'excerpt'>[] };
  return (sources ?? []).flatMap(({ knowledge_id, chunk, excerpt }) => {
    const passage = given.find((it) => it.knowledge_id === knowledge_id && it.chunk === chunk);
    return passage ? [{ ...passage, ...(excerpt ? { excerpt } : {}) }] : [];
  });
}

function factsOf({ model, tokens_used, metadata }: Message): Facts {
  const { answered_by, finish, timings_ms, looked_up } = metadata as { answered_by?: AnsweredBy | null; finish?: Facts['finish']; timings_ms?: Timings; looked_up?: string };
  return {
    tokens: tokens_used,
    ...(answered_by ? { by: answered_by } : {}),
    ...(finish ? { finish } : {}),
    ...(model ? { model } : {}),
    ...(looked_up ? { lookedUp: looked_up } : {}),
    ...(timings_ms ? { timings: timings_ms } : {}),
  };
}
