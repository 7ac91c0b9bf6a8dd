// The launcher's two words in each language, apart from the panel's, which most pages never need.

const WORDS: Record<string, readonly [open: string, close: string]> = {
  en: ['Open chat', 'Close chat'],
  ko: ['채팅 열기', '채팅 닫기'],
  ja: ['チャットを開く', 'チャットを閉じる'],
  zh: ['打开聊天', '关闭聊天'],
  es: ['Abrir el chat', 'Cerrar el chat'],
  de: ['Chat öffnen', 'Chat schließen'],
  fr: ['Ouvrir la discussion', 'Fermer la discussion'],
};

/** What the button is called that opens the chat, or closes it. */
export function launcherWord(language: string, isOpen: boolean): string {
  const words = WORDS[language.toLowerCase().split('-')[0] ?? ''] ?? WORDS['en']!;
  return words[isOpen ? 1 : 0];
}
