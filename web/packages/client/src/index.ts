// Calls of the server's API, and its types.
export * from './client';
export * from './errors';
export * from './upload';
export type { components } from './schema';
export type * from './names';
