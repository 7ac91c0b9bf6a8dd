// What models, documents and visitors wrote, drawn as harmless elements.
export { default as Markdown } from './Markdown.svelte';
export * from './read';
