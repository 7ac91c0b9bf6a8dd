// What the widget says, in each language it speaks. The compiler sees to it that none lacks a word.

const en = {
  open: 'Open chat',
  close: 'Close chat',
  placeholder: 'Write a message',
  send: 'Send',
  stop: 'Stop answering',
  retry: 'Try again',
  copy: 'Copy',
  copied: 'Copied',
  helpful: 'Helpful',
  unhelpful: 'Not helpful',
  restart: 'New conversation',
  sources: 'Sources',
  page: 'page',
  writing: 'Writing an answer',
  reconnecting: 'Connection lost. Reconnecting …',
  offline: 'You seem to be offline. Your message is kept.',
  limited: 'Please wait {s} s before the next message.',
  failed: 'This answer could not be finished.',
  stopped: 'Stopped.',
  email: 'Your e-mail address',
  emailWhy: 'Please leave your e-mail address before we begin.',
  begin: 'Begin',
  you: 'You',
  assistant: 'Assistant',
  preview: 'This is a preview: nothing is sent.',
};

export type Words = typeof en;

const WORDS: Record<string, Words> = {
  en,
  ko: {
    open: '채팅 열기', close: '채팅 닫기', placeholder: '메시지를 입력하세요', send: '보내기', stop: '답변 멈추기',
    retry: '다시 시도', copy: '복사', copied: '복사됨', helpful: '도움이 됐어요', unhelpful: '도움이 안 됐어요',
    restart: '새 대화', sources: '출처', page: '쪽', writing: '답변을 쓰고 있습니다',
    reconnecting: '연결이 끊겼습니다. 다시 연결하는 중 …', offline: '오프라인인 것 같습니다. 메시지는 그대로 있습니다.',
    limited: '{s}초 뒤에 다시 보내 주세요.', failed: '답변을 끝내지 못했습니다.', stopped: '멈췄습니다.',
    email: '이메일 주소', emailWhy: '시작하기 전에 이메일 주소를 남겨 주세요.', begin: '시작', you: '나', assistant: '상담 봇',
    preview: '미리 보기입니다. 아무것도 전송되지 않습니다.',
  },
  ja: {
    open: 'チャットを開く', close: 'チャットを閉じる', placeholder: 'メッセージを入力', send: '送信', stop: '回答を止める',
    retry: 'もう一度', copy: 'コピー', copied: 'コピーしました', helpful: '役に立った', unhelpful: '役に立たなかった',
    restart: '新しい会話', sources: '出典', page: 'ページ', writing: '回答を書いています',
    reconnecting: '接続が切れました。再接続しています …', offline: 'オフラインのようです。メッセージは残っています。',
    limited: '{s} 秒後にもう一度お送りください。', failed: '回答を最後まで書けませんでした。', stopped: '停止しました。',
    email: 'メールアドレス', emailWhy: '始める前にメールアドレスをご入力ください。', begin: '始める', you: 'あなた',
    assistant: 'アシスタント', preview: 'プレビューです。何も送信されません。',
  },
  zh: {
    open: '打开聊天', close: '关闭聊天', placeholder: '输入消息', send: '发送', stop: '停止回答', retry: '重试', copy: '复制',
    copied: '已复制', helpful: '有帮助', unhelpful: '没有帮助', restart: '新对话', sources: '来源', page: '页',
    writing: '正在写回答', reconnecting: '连接已断开，正在重新连接 …', offline: '您似乎已离线，消息已保留。',
    limited: '请在 {s} 秒后再发送。', failed: '未能完成此回答。', stopped: '已停止。', email: '您的电子邮箱',
    emailWhy: '开始之前请留下您的电子邮箱。', begin: '开始', you: '您', assistant: '助手', preview: '这是预览，不会发送任何内容。',
  },
  es: {
    open: 'Abrir el chat', close: 'Cerrar el chat', placeholder: 'Escribe un mensaje', send: 'Enviar',
    stop: 'Detener la respuesta', retry: 'Reintentar', copy: 'Copiar', copied: 'Copiado', helpful: 'Útil',
    unhelpful: 'No es útil', restart: 'Nueva conversación', sources: 'Fuentes', page: 'página',
    writing: 'Escribiendo una respuesta', reconnecting: 'Se perdió la conexión. Reconectando …',
    offline: 'Parece que no hay conexión. Tu mensaje se conserva.', limited: 'Espera {s} s antes del próximo mensaje.',
    failed: 'No se pudo terminar esta respuesta.', stopped: 'Detenido.', email: 'Tu correo electrónico',
    emailWhy: 'Déjanos tu correo electrónico antes de empezar.', begin: 'Empezar', you: 'Tú', assistant: 'Asistente',
    preview: 'Es una vista previa: no se envía nada.',
  },
  de: {
    open: 'Chat öffnen', close: 'Chat schließen', placeholder: 'Nachricht schreiben', send: 'Senden',
    stop: 'Antwort anhalten', retry: 'Noch einmal', copy: 'Kopieren', copied: 'Kopiert', helpful: 'Hilfreich',
    unhelpful: 'Nicht hilfreich', restart: 'Neues Gespräch', sources: 'Quellen', page: 'Seite',
    writing: 'Eine Antwort wird geschrieben', reconnecting: 'Verbindung verloren. Neuer Versuch …',
    offline: 'Sie sind wohl offline. Ihre Nachricht bleibt erhalten.',
    limited: 'Bitte warten Sie {s} s bis zur nächsten Nachricht.', failed: 'Diese Antwort wurde nicht fertig.',
    stopped: 'Angehalten.', email: 'Ihre E-Mail-Adresse', emailWhy: 'Bitte geben Sie zuerst Ihre E-Mail-Adresse an.',
    begin: 'Beginnen', you: 'Sie', assistant: 'Assistent', preview: 'Dies ist eine Vorschau: Es wird nichts gesendet.',
  },
  fr: {
    open: 'Ouvrir la discussion', close: 'Fermer la discussion', placeholder: 'Écrivez un message', send: 'Envoyer',
    stop: 'Arrêter la réponse', retry: 'Réessayer', copy: 'Copier', copied: 'Copié', helpful: 'Utile',
    unhelpful: 'Pas utile', restart: 'Nouvelle conversation', sources: 'Sources', page: 'page',
    writing: 'Réponse en cours', reconnecting: 'Connexion perdue. Reconnexion …',
    offline: 'Vous semblez hors ligne. Votre message est conservé.',
    limited: 'Patientez {s} s avant le prochain message.', failed: 'Cette réponse n’a pas pu être terminée.',
    stopped: 'Arrêté.', email: 'Votre adresse e-mail', emailWhy: 'Laissez votre adresse e-mail avant de commencer.',
    begin: 'Commencer', you: 'Vous', assistant: 'Assistant', preview: 'Ceci est un aperçu : rien n’est envoyé.',
  },
};

/** The words of a language; English for those we don't speak. */
export function wordsOf(language: string): Words {
  return WORDS[language.toLowerCase().split('-')[0] ?? ''] ?? en;
}
