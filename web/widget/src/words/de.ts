import type { Words } from './en';

export const words: Words = {
  close: 'Chat schließen', placeholder: 'Nachricht schreiben', send: 'Senden',
  stop: 'Antwort anhalten', retry: 'Noch einmal', copy: 'Kopieren', copied: 'Kopiert', helpful: 'Hilfreich',
  unhelpful: 'Nicht hilfreich', restart: 'Neues Gespräch', sources: 'Quellen', page: 'Seite {n}',
  writing: 'Eine Antwort wird geschrieben', reconnecting: 'Verbindung verloren. Neuer Versuch …',
  offline: 'Sie sind wohl offline. Ihre Nachricht bleibt erhalten.',
  limited: 'Bitte warten Sie {s} s bis zur nächsten Nachricht.', failed: 'Diese Antwort wurde nicht fertig.',
  spent: 'Heute sind keine weiteren Antworten möglich. Bitte kommen Sie morgen wieder.',
  stopped: 'Angehalten.', email: 'Ihre E-Mail-Adresse', emailWhy: 'Bitte geben Sie zuerst Ihre E-Mail-Adresse an.',
  begin: 'Beginnen', you: 'Sie', assistant: 'Assistent', preview: 'Dies ist eine Vorschau: Es wird nichts gesendet.',
  attach: 'Bilder anhängen', images: 'Bilder', drop: 'Bilder hier ablegen', uploading: 'Wird hochgeladen',
  remove: 'Entfernen', more: '{n} weitere', gone: 'Diese Stelle gibt es nicht mehr.',
  imageKind: 'Nur Bilder in PNG, JPEG, WebP oder GIF lassen sich anhängen.',
  imageSize: 'Das Bild ist zu groß: höchstens {mb} MB.',
  imageCount: 'Zu einer Nachricht gehören höchstens {n} Bilder.',
  imageDamaged: 'Das Bild lässt sich nicht lesen. Ist es vollständig?',
  imageOffline: 'Das Bild ist nicht angekommen. Prüfen Sie die Verbindung und versuchen Sie es noch einmal.',
  imageLimited: 'Das waren viele Bilder auf einmal. Bitte warten Sie einen Moment und versuchen Sie es noch einmal.',
  imageFailed: 'Das Bild ließ sich nicht anhängen. Bitte versuchen Sie es noch einmal.',
  person: 'Ein Mensch', callPerson: 'Mit einem Menschen sprechen', callOff: 'Weiter mit dem Assistenten',
  waiting: 'Sie warten auf einen Menschen. Schreiben Sie ruhig weiter.', joined: '{name} ist jetzt dabei.', personWrites: '{name} schreibt …',
};
