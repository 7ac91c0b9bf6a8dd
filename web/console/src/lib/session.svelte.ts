// Who is signed in, and in which of their organizations they are.

import { body, type Client, type Me, type Role } from '@okra/client';

const KEY = 'okra-organization';
const RANK: Record<Role, number> = { viewer: 0, agent: 1, admin: 2, owner: 3 };

export class Session {
  /** The person; undefined while nobody is known to be signed in. */
  me = $state.raw<Me>();
  #chosen = $state<string | null>(null);

  /** The organization that is looked at. */
  readonly organization = $derived(
    this.me?.organizations.find(({ id }) => id === this.#chosen) ?? this.me?.organizations[0],
  );

  constructor(
    private readonly api: Client,
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'>,
  ) {
    this.#chosen = storage.getItem(KEY);
  }

  /** Whether the person may do what `least` may. */
  may(least: Role): boolean {
    const role = this.organization?.role;
    return role !== undefined && RANK[role] >= RANK[least];
  }

  async load(): Promise<void> {
    this.me = await body(this.api.GET('/api/account'));
  }

  async signIn(email: string, password: string): Promise<void> {
    this.me = await body(this.api.POST('/api/account/sign-in', { body: { email, password } }));
  }

  async signOut(everywhere = false): Promise<void> {
    await this.api.POST(everywhere ? '/api/account/sign-out-everywhere' : '/api/account/sign-out');
    this.me = undefined;
  }

  /** Looks at another of the person's organizations. */
  choose(organization: string): void {
    this.#chosen = organization;
    this.storage.setItem(KEY, organization);
  }
}
