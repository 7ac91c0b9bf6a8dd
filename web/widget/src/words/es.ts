import type { Words } from './en';

export const words: Words = {
  close: 'Cerrar el chat', placeholder: 'Escribe un mensaje', send: 'Enviar',
  stop: 'Detener la respuesta', retry: 'Reintentar', copy: 'Copiar', copied: 'Copiado', helpful: 'Útil',
  unhelpful: 'No es útil', restart: 'Nueva conversación', sources: 'Fuentes', page: 'página {n}',
  writing: 'Escribiendo una respuesta', reconnecting: 'Se perdió la conexión. Reconectando …',
  offline: 'Parece que no hay conexión. Tu mensaje se conserva.', limited: 'Espera {s} s antes del próximo mensaje.',
  failed: 'No se pudo terminar esta respuesta.', spent: 'Hoy no se pueden dar más respuestas. Vuelve mañana, por favor.',
  stopped: 'Detenido.', email: 'Tu correo electrónico',
  emailWhy: 'Déjanos tu correo electrónico antes de empezar.', begin: 'Empezar', you: 'Tú', assistant: 'Asistente',
  preview: 'Es una vista previa: no se envía nada.',
  attach: 'Adjuntar imágenes', images: 'Imágenes', drop: 'Suelta aquí las imágenes', uploading: 'Subiendo',
  remove: 'Quitar', more: '{n} más', gone: 'Este pasaje ya no existe.',
  imageKind: 'Solo se pueden adjuntar imágenes PNG, JPEG, WebP o GIF.',
  imageSize: 'La imagen es demasiado grande: {mb} MB como máximo.',
  imageCount: 'Cada mensaje lleva {n} imágenes como máximo.',
  imageDamaged: 'No se puede leer la imagen. ¿Está completa?',
  imageOffline: 'La imagen no llegó. Comprueba la conexión e inténtalo de nuevo.',
  imageLimited: 'Han sido muchas imágenes a la vez. Espera un momento e inténtalo de nuevo.',
  imageFailed: 'No se pudo adjuntar la imagen. Inténtalo de nuevo.',
  person: 'Una persona', callPerson: 'Hablar con una persona', callOff: 'Seguir con el asistente',
  waiting: 'Esperas a una persona. Puedes seguir escribiendo.', joined: '{name} se ha unido.', personWrites: '{name} está escribiendo …',
};
