// Short names for what the console speaks of most.

import type { components } from './schema';

type Schemas = components['schemas'];

export type Me = Schemas['Me'];
export type Role = Schemas['Role'];
export type LinkShown = Schemas['LinkReply'];
export type Person = Schemas['MemberBody'];
export type Invitation = Schemas['InvitationBody'];
export type Webhook = Schemas['Webhook'];
export type EventType = Schemas['EventType'];
export type Delivery = Schemas['WebhookDelivery'];
export type KeyInfo = Schemas['ApiKey'];
export type Provider = Schemas['ProviderBody'];
export type Providers = Schemas['ProvidersReply'];
export type ProviderTest = Schemas['ProviderTestReply'];
export type Models = Schemas['ModelsReply'];
export type Tool = Schemas['Tool'];
export type ToolServer = Schemas['ToolServer'];
export type ToolDraft = Schemas['ToolDraft'];
export type ToolTrial = Schemas['ToolTrialReply'];
export type Usage = Schemas['UsageReply'];
