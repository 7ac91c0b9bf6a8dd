import type { Words } from './en';

export const words: Words = {
  close: 'チャットを閉じる', placeholder: 'メッセージを入力', send: '送信', stop: '回答を止める',
  retry: 'もう一度', copy: 'コピー', copied: 'コピーしました', helpful: '役に立った', unhelpful: '役に立たなかった',
  restart: '新しい会話', sources: '出典', page: '{n} ページ', writing: '回答を書いています',
  reconnecting: '接続が切れました。再接続しています …', offline: 'オフラインのようです。メッセージは残っています。',
  limited: '{s} 秒後にもう一度お送りください。', failed: '回答を最後まで書けませんでした。',
  spent: '本日はこれ以上お答えできません。明日またお越しください。', stopped: '停止しました。',
  email: 'メールアドレス', emailWhy: '始める前にメールアドレスをご入力ください。', begin: '始める', you: 'あなた',
  assistant: 'アシスタント', preview: 'プレビューです。何も送信されません。',
  attach: '画像を添付', images: '画像', drop: 'ここに画像をドロップ', uploading: 'アップロード中', remove: '取り消す', more: 'ほか {n} 件',
  gone: 'この箇所はもうありません。', imageKind: '添付できるのは PNG、JPEG、WebP、GIF の画像だけです。', imageSize: '画像が大きすぎます。{mb} MB まで添付できます。',
  imageCount: '1 件のメッセージに添付できる画像は {n} 枚までです。', imageDamaged: '画像を読み取れません。ファイルが壊れていないかご確認ください。',
  imageOffline: '画像を送れませんでした。接続を確認して、もう一度お試しください。', imageLimited: '一度に多くの画像が送られました。少し待ってからもう一度お試しください。',
  imageFailed: '画像を添付できませんでした。もう一度お試しください。',
  person: '担当者', callPerson: '担当者と話す', callOff: 'アシスタントと続ける',
  waiting: '担当者をお待ちください。続けてメッセージを送れます。', joined: '{name} が参加しました。', personWrites: '{name} が入力しています …',
  end: '会話を終える', rate: 'この会話はいかがでしたか?', stars: '5段階中{n}', rateWhy: '理由(任意)', rated: '評価をありがとうございました。',
};
