// The voice widget's settings: what there is before any were made, and their fields.

import type { components } from '@okra/client';
import type { ChatbotDetails } from '../../../lib/chatbots.svelte';

export type Voice = components['schemas']['VoiceWidgetConfig'];

/** The server's defaults, which stand until settings are saved. */
const DEFAULTS: Omit<Voice, 'agentId'> = {
  appearance: {
    backgroundColor: '#ffffff',
    borderColor: '#e1e1e1',
    buttonColor: '#000000',
    buttonRadius: 32,
    buttonTextColor: '#ffffff',
    cardRadius: 20,
    focusOutlineColor: '#000000',
    textColor: '#000000',
  },
  avatar: { imageUrl: '' },
  model: { max_output_tokens: 2048, temperature: 0.7 },
  text: { callToAction: 'Talk to us', startCall: 'Start a call', listeningStatus: 'Listening', speakingStatus: 'Talk to interrupt', endCall: 'End' },
  vad: { prefix_padding_ms: 500, silence_duration_ms: 1000, threshold: 0.8 },
  voice: 'shimmer',
};

export function voiceOf({ id, voice_widget_config }: ChatbotDetails): Voice {
  return voice_widget_config ?? { agentId: id, ...structuredClone(DEFAULTS) };
}

export const COLORS = ['backgroundColor', 'textColor', 'borderColor', 'buttonColor', 'buttonTextColor', 'focusOutlineColor'] as const;
export const TEXTS = ['callToAction', 'startCall', 'listeningStatus', 'speakingStatus', 'endCall'] as const;
/** Those of the OpenAI Realtime API; other servers have their own. */
export const VOICES = ['alloy', 'ash', 'ballad', 'cedar', 'coral', 'echo', 'marin', 'sage', 'shimmer', 'verse'];

/** Fields that show their own errors. */
export const FIELDS = [
  ...COLORS.map((color) => `appearance.${color}`),
  'appearance.buttonRadius',
  'appearance.cardRadius',
  'avatar.imageUrl',
  ...TEXTS.map((text) => `text.${text}`),
  'voice',
  'model.temperature',
  'model.max_output_tokens',
  'vad.threshold',
  'vad.silence_duration_ms',
  'vad.prefix_padding_ms',
];
