// What people type or paste for a site, as the origin that browsers send for it.

/** `shop.example/cart` → `https://shop.example`; what is no address stays as it is, for the server to judge. */
export function originOf(typed: string): string {
  const text = typed.trim();
  const local = /^(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/i.test(text);
  const address = text.includes('://') ? text : `${local ? 'http' : 'https'}://${text}`;
  // Not every browser takes a * for part of a host.
  const [, wildcard] = /^https?:\/\/(\*\.)/i.exec(address) ?? [];
  try {
    const { origin, protocol } = new URL(wildcard ? address.replace(wildcard, '') : address);
    if (protocol !== 'https:' && protocol !== 'http:') return text;
    return wildcard ? origin.replace('://', `://${wildcard}`) : origin;
  } catch {
    return text;
  }
}
