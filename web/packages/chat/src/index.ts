// The logic of a chat without its looks: the visitor API, its streams, and a conversation over them.
export * from './api';
export * from './conversation';
export * from './images';
export * from './people';
export * from './sse';
export * from './uuid';
