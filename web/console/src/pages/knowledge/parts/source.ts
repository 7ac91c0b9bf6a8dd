// What an item comes from, in one line.

import type { Item } from './items.svelte';

export interface Origin {
  question?: string;
  answer?: string;
  content?: string;
  url?: string;
  file_name?: string;
  media_type?: string;
}

/** The item's source; which of the fields are there is told by its type. */
export const originOf = (item: Item): Origin => item.source as Origin;

/** The line under an item's title; empty where it would only repeat the title. */
export function originLine(item: Item): string {
  const { answer, content, url, file_name: file } = originOf(item);
  const line = (answer ?? url ?? file ?? content ?? '').slice(0, 300).replace(/\s+/g, ' ').trim();
  return line === item.title ? '' : line;
}
