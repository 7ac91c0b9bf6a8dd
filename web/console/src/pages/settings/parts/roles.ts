// Which roles someone may give.

import type { Role } from '@okra/client';

export const ROLES: readonly Role[] = ['owner', 'admin', 'agent', 'viewer'];

/** Owners give every role, admins those below owner, others none. */
export function grantable(own: Role | undefined): readonly Role[] {
  if (own === 'owner') return ROLES;
  return own === 'admin' ? ROLES.filter((role) => role !== 'owner') : [];
}
