// The names of the places that visitors come from.

interface Names {
  web: string;
  playground: string;
}

/** A platform's name in the person's language; a channel's own where we have none. */
export function platformName(platform: string, names: Names): string {
  if (platform === 'web') return names.web;
  if (platform === 'playground') return names.playground;
  return platform === 'api' ? 'API' : platform;
}
