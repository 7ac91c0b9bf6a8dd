//! How much models read at once, told by their names: OpenAI-compatible servers don't say.
//!
//! Names count as those of models that see do (`vision`). What is given is the least of the models that a name may
//! mean; a name that is not known tells nothing, and what the operator allows holds for it.

use super::vision::plain;

/// Tokens of prompt and answer together. Of names that begin alike the first counts, so longer ones stand first.
const WINDOWS: &[(&str, u32)] = &[
    // OpenAI
    ("gpt4o", 128_000),
    ("chatgpt4o", 128_000),
    ("gpt4.1", 1_000_000),
    ("gpt4.5", 128_000),
    ("gpt4turbo", 128_000),
    ("gpt40125", 128_000),
    ("gpt41106", 128_000),
    ("gpt432k", 32_768),
    ("gpt4", 8_192),
    ("gpt3.5turboinstruct", 4_096),
    ("gpt3.5", 16_385),
    ("gpt5", 272_000),
    ("gptoss", 131_072),
    ("o1mini", 128_000),
    ("o1preview", 128_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4mini", 200_000),
    // Anthropic
    ("claude2.1", 200_000),
    ("claude2", 100_000),
    ("claude", 200_000),
    // Google
    ("gemini1.0", 32_768),
    ("gemini", 1_000_000),
    ("gemma31b", 32_768),
    ("gemma3270m", 32_768),
    ("gemma3", 131_072),
    ("gemma", 8_192),
    // Meta
    ("llama4", 1_000_000),
    ("llama3.1", 131_072),
    ("llama3.2", 131_072),
    ("llama3.3", 131_072),
    ("metallama3.1", 131_072),
    ("metallama3", 8_192),
    ("llama3", 8_192),
    ("llama2", 4_096),
    // Mistral
    ("mistral7b", 32_768),
    ("mistrallarge", 128_000),
    ("mistralmedium3", 128_000),
    ("mistralsmall", 32_768),
    ("mistralnemo", 128_000),
    ("mixtral8x22b", 65_536),
    ("mixtral", 32_768),
    // Others
    ("qwen3", 32_768),
    ("qwen2.5", 32_768),
    ("qwen2", 32_768),
    ("deepseek", 65_536),
    ("phi4", 16_384),
    ("phi3", 4_096),
    ("solar", 4_096),
    ("exaone3.5", 32_768),
    ("exaone", 4_096),
    ("grok", 131_072),
    ("commandr", 128_000),
];

/// How many tokens the model of this name reads and writes at once; `None` where the name is not known.
pub fn context_window(model: &str) -> Option<u32> {
    let name = plain(model);
    let known = WINDOWS.iter().find(|(start, _)| name.starts_with(start));
    known.map(|(_, tokens)| *tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_told_by_names() {
        let check = |model: &str, expected: Option<u32>| {
            assert_eq!(context_window(model), expected, "{model}");
        };
        check("gpt-4o-mini", Some(128_000));
        check("openai/gpt-4", Some(8_192));
        check("gpt-4-0613", Some(8_192));
        check("gpt-4-1106-preview", Some(128_000));
        check("gpt-3.5-turbo", Some(16_385));
        check("anthropic/claude-sonnet-4-5", Some(200_000));
        check("llama3.1:8b", Some(131_072));
        check("meta-llama/Llama-3.1-8B-Instruct", Some(131_072));
        check("llama3:8b", Some(8_192));
        check("gemma3:1b", Some(32_768));
        check("gemma2:9b", Some(8_192));
        check("our-own-model", None);
        check("", None);
    }

    #[test]
    fn no_name_hides_another() {
        for (at, (name, _)) in WINDOWS.iter().enumerate() {
            let before = WINDOWS[..at]
                .iter()
                .find(|(start, _)| name.starts_with(start));
            assert_eq!(before, None, "{name} is never reached");
        }
    }
}
