// Where to go after signing in: the page that was asked for, if it is one of ours.

export function nextPage(url: URL): string {
  const next = url.searchParams.get('next') ?? '/';
  const to = new URL(next, url);
  return to.origin === url.origin ? to.pathname + to.search : '/';
}
