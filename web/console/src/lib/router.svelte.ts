// Where the console is, and how it gets elsewhere: the browser's history, with typed paths.

import { untrack } from 'svelte';

/** The names of the parameters in a path such as `/chatbots/:chatbot/knowledge`. */
export type Parameters<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | Parameters<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

export interface Match<Name extends string> {
  name: Name;
  parameters: Record<string, string>;
}

/** Asked before a page is left; `false` keeps it. */
export type Guard = () => boolean | Promise<boolean>;

/** The part of `window` that a router needs. */
export type Browser = Pick<Window, 'history' | 'location' | 'addEventListener' | 'scrollTo'>;

/** A path with its parameters put in. */
export function fill(path: string, parameters: Record<string, string> = {}): string {
  return path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));
}

/** The first of `paths` that `pathname` is, with the parameters it has. */
export function match<Name extends string>(paths: Record<Name, string>, pathname: string): Match<Name> | undefined {
  const given = pathname.replace(/(.)\/+$/, '$1').split('/');
  for (const name of Object.keys(paths) as Name[]) {
    const wanted = paths[name].split('/');
    if (wanted.length !== given.length) continue;
    const parameters: Record<string, string> = {};
    const fits = wanted.every((part, at) => {
      const value = given[at] ?? '';
      if (!part.startsWith(':')) return part === value;
      const decoded = decode(value);
      if (!decoded) return false;
      parameters[part.slice(1)] = decoded;
      return true;
    });
    if (fits) return { name, parameters };
  }
  return undefined;
}

/** Malformed escapes match nothing, rather than throw. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

export class Router<Paths extends Record<string, string>> {
  /** Where we are: path, query and fragment. */
  url = $state.raw(new URL('about:blank'));
  /** Whether we came here from another page of ours, and so the focus has to follow. */
  moved = false;
  readonly match = $derived.by(() => match(this.paths, this.url.pathname) as Match<keyof Paths & string> | undefined);

  #guard: Guard | undefined;
  /** How many steps into the history we are; a guard that keeps the page has to go back by them. */
  #step = 0;
  #returning: (() => void) | undefined;

  constructor(
    readonly paths: Paths,
    private readonly browser: Browser,
  ) {
    this.#read();
  }

  /** Follows the history and the page's links from now on. */
  start(): void {
    const { history } = this.browser;
    this.#step = typeof history.state?.step === 'number' ? history.state.step : 0;
    history.replaceState({ step: this.#step }, '');
    this.browser.addEventListener('popstate', (event) => void this.#moved(event));
    this.browser.addEventListener('click', (event) => this.#clicked(event));
    this.browser.addEventListener('beforeunload', (event) => {
      if (this.#guard) event.preventDefault();
    });
  }

  /** The address of a page. */
  href<Name extends keyof Paths & string>(
    name: Name,
    ...[parameters]: [Parameters<Paths[Name]>] extends [never] ? [] : [Record<Parameters<Paths[Name]>, string>]
  ): string {
    return fill(this.paths[name] ?? '', parameters);
  }

  /** Goes to an address of ours. Resolves to whether we went, which a guard may prevent. */
  async go(href: string, how: { replace?: boolean; unguarded?: boolean } = {}): Promise<boolean> {
    if (!how.unguarded && !(await this.#mayLeave())) return false;
    this.#guard = undefined;
    // Effects may go elsewhere: that does not make them depend on where we are.
    const from = untrack(() => this.url);
    const to = new URL(href, from);
    if (!how.replace) this.#step += 1;
    this.browser.history[how.replace ? 'replaceState' : 'pushState']({ step: this.#step }, '', to);
    const same = to.pathname === from.pathname;
    this.#read();
    if (!same && !to.hash) this.browser.scrollTo(0, 0);
    return true;
  }

  /** Changes the query of the page we are on, such as its filters, without a step in the history. */
  query(change: Record<string, string | undefined>): void {
    const to = untrack(() => new URL(this.url));
    for (const [name, value] of Object.entries(change)) {
      if (value) to.searchParams.set(name, value);
      else to.searchParams.delete(name);
    }
    this.browser.history.replaceState({ step: this.#step }, '', to);
    this.#read();
  }

  /** Has `guard` asked before the page is left; gives the way to have it asked no more. */
  guard(guard: Guard): () => void {
    this.#guard = guard;
    return () => {
      if (this.#guard === guard) this.#guard = undefined;
    };
  }

  #read(): void {
    const before = untrack(() => this.url);
    const now = new URL(this.browser.location.href);
    this.url = now;
    if (before.origin === now.origin && before.pathname !== now.pathname) this.moved = true;
  }

  async #mayLeave(): Promise<boolean> {
    return this.#guard ? this.#guard() : true;
  }

  /** Back and forward: the browser has gone already, so a guarded page is returned to while it asks. */
  async #moved(event: PopStateEvent): Promise<void> {
    const step = typeof event.state?.step === 'number' ? event.state.step : 0;
    if (this.#returning) {
      this.#returning();
      return;
    }
    const distance = step - this.#step;
    if (this.#guard && distance !== 0) {
      await new Promise<void>((returned) => {
        this.#returning = returned;
        this.browser.history.go(-distance);
      });
      this.#returning = undefined;
      if (!(await this.#mayLeave())) return;
      this.#guard = undefined;
      this.browser.history.go(distance);
      return;
    }
    this.#step = step;
    this.#read();
  }

  /** A plain click on a link of ours needs no new page; every other is the browser's. */
  #clicked(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link?.href || link.target || link.hasAttribute('download')) return;
    const to = new URL(link.href);
    if (to.origin !== this.url.origin || !match(this.paths, to.pathname)) return;
    if (to.hash && to.pathname === this.url.pathname && to.search === this.url.search) return;
    event.preventDefault();
    void this.go(to.href);
  }
}
