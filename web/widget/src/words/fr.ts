import type { Words } from './en';

export const words: Words = {
  close: 'Fermer la discussion', placeholder: 'Écrivez un message', send: 'Envoyer',
  stop: 'Arrêter la réponse', retry: 'Réessayer', copy: 'Copier', copied: 'Copié', helpful: 'Utile',
  unhelpful: 'Pas utile', restart: 'Nouvelle conversation', sources: 'Sources', page: 'page {n}',
  writing: 'Réponse en cours', reconnecting: 'Connexion perdue. Reconnexion …',
  offline: 'Vous semblez hors ligne. Votre message est conservé.',
  limited: 'Patientez {s} s avant le prochain message.', failed: 'Cette réponse n’a pas pu être terminée.',
  spent: 'Plus aucune réponse n’est possible aujourd’hui. Revenez demain, s’il vous plaît.',
  stopped: 'Arrêté.', email: 'Votre adresse e-mail', emailWhy: 'Laissez votre adresse e-mail avant de commencer.',
  begin: 'Commencer', you: 'Vous', assistant: 'Assistant', preview: 'Ceci est un aperçu : rien n’est envoyé.',
  attach: 'Joindre des images', images: 'Images', drop: 'Déposez les images ici', uploading: 'Envoi en cours',
  remove: 'Retirer', more: '{n} de plus', gone: 'Ce passage n’existe plus.',
  imageKind: 'Seules les images PNG, JPEG, WebP et GIF peuvent être jointes.',
  imageSize: 'Cette image est trop lourde : {mb} Mo au maximum.',
  imageCount: 'Un message porte {n} images au maximum.',
  imageDamaged: 'Cette image est illisible. Est-elle complète ?',
  imageOffline: 'L’image n’est pas arrivée. Vérifiez la connexion et réessayez.',
  imageLimited: 'Cela fait beaucoup d’images à la fois. Patientez un instant et réessayez.',
  imageFailed: 'L’image n’a pas pu être jointe. Réessayez.',
  person: 'Une personne', callPerson: 'Parler à une personne', callOff: 'Continuer avec l’assistant',
  waiting: 'Vous attendez une personne. Vous pouvez continuer à écrire.', joined: '{name} a rejoint la conversation.', personWrites: '{name} écrit …',
};
