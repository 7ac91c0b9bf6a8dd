//! Which models see images, told by their names: OpenAI-compatible servers don't say.
//!
//! A name counts without what stands before its last `/` (`openai/gpt-4o`), and without regard to
//! case and to `:`, `_`, `-` and the like: `gemma3:12b` and `Gemma-3-12B` are told by the same
//! words. A model that is not known here gets no images, as one that cannot see them fails the
//! whole answer.

/// Names that begin like this see.
const BEGINNINGS: &[&str] = &[
    // OpenAI
    "chatgpt4o",
    "gpt4o",
    "gpt4turbo",
    "gpt4.1",
    "gpt4.5",
    "gpt5",
    "o1",
    "o3",
    "o4mini",
    // Anthropic
    "claude3",
    "claudehaiku",
    "claudeopus",
    "claudesonnet",
    // Google
    "gemini",
    "gemma3",
    // Meta
    "llama4",
    // Mistral
    "mistralmedium3",
    "mistralsmall3.1",
    "mistralsmall3.2",
    // xAI
    "grok4",
    // Others that are run at home
    "bakllava",
    "minicpmv",
    "moondream",
    "phi4multimodal",
];

/// Names that hold this see, wherever it stands.
const PARTS: &[&str] = &[
    "glm4v",
    "glm4.5v",
    "internvl",
    "llava",
    "molmo",
    "pixtral",
    "qwen2.5vl",
    "qwen2vl",
    "qwen3vl",
    "qwenvl",
    "smolvlm",
    "vision",
];

/// Names that hold this do not see, though the lists above say so.
const BLIND: &[&str] = &[
    "audio",
    "embed",
    "gemma31b",
    "gemma3270m",
    "o1mini",
    "o1preview",
    "o3mini",
    "realtime",
    "search",
    "transcribe",
    "tts",
    "turbopreview",
];

/// Whether the model of this name takes images in a user's message.
pub fn sees_images(model: &str) -> bool {
    let name = plain(model);
    let sees = BEGINNINGS.iter().any(|start| name.starts_with(start))
        || PARTS.iter().any(|part| name.contains(part));
    sees && !BLIND.iter().any(|part| name.contains(part))
}

/// A model's name as such lists write it: without what stands before its last `/`, in small letters, digits and dots.
pub(super) fn plain(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.chars()
        .filter(|character| character.is_alphanumeric() || *character == '.')
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_by_their_names() {
        let check = |sees: bool, names: &[&str]| {
            for name in names {
                assert_eq!(sees_images(name), sees, "{name}");
            }
        };
        check(
            true,
            &[
                "gpt-4o-mini",
                "gpt-4o-2024-08-06",
                "openai/gpt-4.1",
                "gpt-4-turbo",
                "gpt-5-nano",
                "o1",
                "o3",
                "o4-mini",
                "claude-3-5-sonnet-latest",
                "anthropic/claude-sonnet-4",
                "gemini-2.5-flash",
                "gemma3:12b",
                "google/gemma-3-27b-it",
                "llama3.2-vision:11b",
                "meta-llama/Llama-3.2-11B-Vision-Instruct",
                "llama4:scout",
                "llava:13b",
                "llava-llama3",
                "qwen2.5vl:7b",
                "Qwen/Qwen2.5-VL-72B-Instruct",
                "pixtral-12b-2409",
                "mistral-small3.1",
                "minicpm-v",
                "moondream",
            ],
        );
        check(
            false,
            &[
                "",
                "gpt-3.5-turbo",
                "gpt-4",
                "gpt-4-1106-preview",
                "gpt-4-turbo-preview",
                "gpt-4o-audio-preview",
                "gpt-4o-transcribe",
                "o1-mini",
                "o3-mini",
                "claude-2.1",
                "gemma3:1b",
                "google/gemma-3-1b-it",
                "gemma2:9b",
                "llama3.1",
                "mistral-small",
                "qwen3:8b",
                "deepseek-chat",
                "phi4",
                "vision/llama3.1",
            ],
        );
    }
}
