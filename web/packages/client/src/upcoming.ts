// Calls that openapi.json does not hold yet. Each goes once it is described there.

import type { components } from './schema';

export type Role = 'owner' | 'admin' | 'agent' | 'viewer';

export interface Me {
  person: { id: string; name: string; email: string; language: string | null };
  organizations: { id: string; name: string; role: Role }[];
}

export interface LinkShown {
  kind: 'setup' | 'invitation' | 'reset';
  organization: string | null;
  email: string | null;
  name?: string | null;
  has_account: boolean;
}

export interface Person {
  id: string;
  name: string;
  email: string;
  role: Role;
  last_seen_at: string | null;
  created_at: string;
}

export interface Invitation {
  id: string;
  email: string;
  role: Role;
  expires_at: string;
  created_at: string;
}

export interface KeyInfo {
  id: string;
  name: string | null;
  hint: string;
  created_at: string;
  last_used_at: string | null;
}

export type Provider = components['schemas']['ProviderBody'];
export type ProviderTest = components['schemas']['ProviderTestReply'];
export type Usage = components['schemas']['UsageReply'];

type Call<Reply, Body = never, Parameters = object> = {
  parameters: Parameters;
  responses: { 200: { content: { 'application/json': Reply } } };
} & ([Body] extends [never] ? object : { requestBody: { content: { 'application/json': Body } } });
type Named<K extends string> = { path: { [Name in K]: string } };

export interface Upcoming {
  '/api/account': { get: Call<Me>; patch: Call<Me, { name?: string; language?: string | null }> };
  '/api/account/sign-in': { post: Call<Me, { email: string; password: string }> };
  '/api/account/sign-out': { post: Call<never> };
  '/api/account/sign-out-everywhere': { post: Call<never> };
  '/api/account/password': { post: Call<never, { current: string; new: string }> };
  '/api/account/links/show': { post: Call<LinkShown, { token: string }> };
  '/api/account/links/accept': {
    post: Call<Me, { token: string; password: string; name?: string; email?: string; organization?: string }>;
  };
  '/api/external/organization': {
    get: Call<{ organization: { id: string; name: string } }>;
    patch: Call<{ organization: { id: string; name: string } }, { name: string }>;
  };
  '/api/external/people': {
    get: Call<{ data: Person[]; invitations: Invitation[] }>;
    post: Call<{ invitation: Invitation; link: string; sent: boolean }, { email: string; role: Role }>;
  };
  '/api/external/people/invitations/{id}': { delete: Call<never, never, Named<'id'>> };
  '/api/external/people/{id}': { patch: Call<Person, { role: Role }, Named<'id'>>; delete: Call<never, never, Named<'id'>> };
  '/api/external/people/{id}/reset-link': { post: Call<{ link: string; sent: boolean }, never, Named<'id'>> };
  '/api/external/keys': { get: Call<{ data: KeyInfo[] }>; post: Call<{ key: string; data: KeyInfo }, { name?: string }> };
  '/api/external/keys/{id}': { delete: Call<never, never, Named<'id'>> };
}
