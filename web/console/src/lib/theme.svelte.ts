// Light, dark, or as the system has it. The choice stays in this browser.

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'okra-theme';

export class ThemeChoice {
  value = $state<Theme>('system');

  constructor(
    private readonly root: HTMLElement,
    private readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>,
  ) {
    const stored = this.storage.getItem(KEY);
    this.#show(THEMES.find((theme) => theme === stored) ?? 'system');
  }

  choose(theme: Theme): void {
    if (theme === 'system') this.storage.removeItem(KEY);
    else this.storage.setItem(KEY, theme);
    this.#show(theme);
  }

  #show(theme: Theme): void {
    this.value = theme;
    if (theme === 'system') delete this.root.dataset['theme'];
    else this.root.dataset['theme'] = theme;
  }
}
